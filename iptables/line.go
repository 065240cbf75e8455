package iptables

import (
	"strconv"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

func lineOf(r apply.Rule) string { return string(appendSpec(nil, r, apply.Comment(r.Name))) }

// appendSpec appends a rule in the order in which iptables-save prints it.
func appendSpec(b []byte, r apply.Rule, comment string) []byte {
	m := r.Match
	if len(m.Src) > 0 {
		b = append(b, "-s "...)
		b = appendList(b, m.Src, plan.AppendPrefix)
	}
	if len(m.Dst) > 0 {
		b = append(b, "-d "...)
		b = appendList(b, m.Dst, plan.AppendPrefix)
	}
	if m.OutInterface != "" {
		b = append(append(append(b, "-o "...), m.OutInterface...), ' ')
	}
	if m.TCP {
		b = append(b, "-p tcp "...)
	}
	if len(m.DstPorts) > 0 {
		b = append(b, "-m multiport --dports "...)
		b = appendList(b, m.DstPorts, appendPorts)
	}
	if len(m.UID) > 0 {
		b = append(b, "-m owner --uid-owner "...)
		b = appendList(b, m.UID, plan.AppendIDs)
	}
	if len(m.GID) > 0 {
		b = append(b, "-m owner --gid-owner "...)
		b = appendList(b, m.GID, plan.AppendIDs)
	}
	if m.DstLocal {
		b = append(b, "-m addrtype --dst-type LOCAL "...)
	}
	if r.NotUnderstood != "" {
		b = append(append(b, r.NotUnderstood...), ' ')
	}
	if comment != "" || r.Name != "" {
		b = append(b, "-m comment --comment "...)
		b = append(appendQuoted(b, comment), ' ')
	}
	return appendTarget(b, r)
}

// noTarget is the verdict of a rule that only counts.
const noTarget = "no target"

func appendTarget(b []byte, r apply.Rule) []byte {
	switch {
	case r.Other == noTarget:
		return b[:max(len(b)-1, 0)]
	case r.Other != "":
		return append(b, r.Other...)
	case r.Jump != "":
		return append(append(b, "-j "...), r.Jump...)
	case r.Verdict.Kind == plan.Bypass:
		return append(b, "-j RETURN"...)
	}
	b = append(b, "-j REDIRECT"...)
	if r.Verdict.Port != 0 {
		b = append(b, " --to-ports "...)
		b = strconv.AppendUint(b, uint64(r.Verdict.Port), 10)
	}
	return b
}

func appendList[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, v)
	}
	return append(b, ' ')
}

func appendPorts(b []byte, r plan.PortRange) []byte {
	b = strconv.AppendUint(b, uint64(r.First), 10)
	if r.First != r.Last {
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(r.Last), 10)
	}
	return b
}

// plainChars are those that iptables-save prints without quotes
// (xtables_save_string in iptables' libxtables/xtables.c).
const plainChars = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// appendQuoted appends a string as iptables-save prints it.
func appendQuoted(b []byte, s string) []byte {
	if s != "" && strings.Trim(s, plainChars) == "" {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' || c == '\'' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
