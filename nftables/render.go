package nftables

import (
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// Render returns the plan as text for `nft -f`. Loading it where there are no
// rules of ours gives the same live rules as Apply. It replaces a table of the
// same name: delete needs the table to exist, hence the add.
func Render(p plan.Plan, stamp apply.Stamp) string {
	rs, origin := shape(p), stamp.String()
	b := fmt.Appendf(nil, "#!/usr/sbin/nft -f\n# shunt %s\ntable %s\ndelete table %[2]s\ntable %[2]s {\n", origin, rs.table)
	for _, s := range rs.sets {
		b = fmt.Appendf(b, "\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\tcomment %q\n\t\telements = { ", s.name, s.kind, setComment(s.name))
		b = appendJoined(b, s.elems, func(b []byte, i interval) []byte { return appendInterval(b, i, s.kind) })
		b = append(b, " }\n\t}\n\n"...)
	}
	for i, chain := range chains() {
		if i > 0 {
			b = append(b, '\n')
		}
		b = fmt.Appendf(b, "\tchain %s {\n\t\t%s\n", chain, wantSpec(chain))
		rules := rs.chain(chain)
		for n, r := range rules {
			b = append(b, "\t\t"...)
			b = appendRule(b, r, rs.table.family, ruleComment(r.Name, origin, n == len(rules)-1))
			b = append(b, '\n')
		}
		b = append(b, "\t}\n"...)
	}
	return string(append(b, "}\n"...))
}

// Line returns one rule as nft writes it, with its list in place of a set's
// name and without its counter.
func Line(r apply.Rule) string {
	if r.NotUnderstood != "" {
		return r.NotUnderstood
	}
	b := appendMatch(nil, r.Match, "", unix.NFPROTO_INET)
	switch {
	case r.Jump != "":
		b = append(append(b, "jump "...), r.Jump...)
	case r.Other != "":
		b = append(b, r.Other...)
	default:
		b = appendVerdict(b, r.Verdict)
	}
	if r.Name != "" {
		b = fmt.Appendf(b, " comment %q", apply.Comment(r.Name))
	}
	return string(b)
}

// ruleComment is a rule's comment; the stamp is in that of each chain's last
// rule.
func ruleComment(name, stamp string, last bool) string {
	if last && stamp != "" {
		return apply.Mark + name + " " + stamp
	}
	return apply.Mark + name
}

// appendRule writes a rule of ours whole.
func appendRule(b []byte, r kernelRule, family byte, comment string) []byte {
	b = appendMatch(b, r.Match, r.set, family)
	b = append(b, "counter "...)
	b = appendVerdict(b, r.Verdict)
	return fmt.Appendf(b, " comment %q", comment)
}

// appendMatch writes a match, followed by a space if there is one.
func appendMatch(b []byte, m plan.Match, setName string, family byte) []byte {
	list := func(inline func()) {
		if setName != "" {
			b = append(append(append(b, '@'), setName...), ' ')
			return
		}
		b = append(b, "{ "...)
		inline()
		b = append(b, " } "...)
	}
	addr := "ip "
	if m.Family == plan.IPv6 {
		addr = "ip6 "
	}
	switch {
	case len(m.DstPorts) > 0:
		b = append(b, "tcp dport "...)
		list(func() { b = appendJoined(b, m.DstPorts, plan.AppendPorts) })
	case m.TCP:
		b = append(b, "meta l4proto tcp "...)
	}
	if m.DstLocal {
		b = append(b, "fib daddr type local "...)
	}
	if len(m.Src) > 0 {
		b = append(append(b, addr...), "saddr "...)
		list(func() { b = appendJoined(b, m.Src, appendAddresses) })
	}
	if len(m.Dst) > 0 {
		b = append(append(b, addr...), "daddr "...)
		list(func() { b = appendJoined(b, m.Dst, appendAddresses) })
	}
	if m.Family != plan.Any && len(m.Src)+len(m.Dst) == 0 && family == unix.NFPROTO_INET {
		b = append(b, "meta nfproto "+[...]string{plan.IPv4: "ipv4", plan.IPv6: "ipv6"}[m.Family]+" "...)
	}
	if len(m.UID) > 0 {
		b = append(b, "meta skuid "...)
		if len(m.UID) > 1 {
			list(func() { b = appendJoined(b, m.UID, plan.AppendIDs) })
		} else {
			b = append(plan.AppendIDs(b, m.UID[0]), ' ')
		}
	}
	if len(m.GID) > 0 {
		b = append(plan.AppendIDs(append(b, "meta skgid "...), m.GID[0]), ' ')
	}
	if m.OutInterface != "" {
		b = append(b, "oifname "+strconv.Quote(m.OutInterface)+" "...)
	}
	return b
}

func appendVerdict(b []byte, v plan.Verdict) []byte {
	if v.Kind == plan.Redirect {
		return strconv.AppendUint(append(b, "redirect to :"...), uint64(v.Port), 10)
	}
	return append(b, "accept"...)
}

// appendJoined writes a list with commas.
func appendJoined[T any](b []byte, list []T, one func([]byte, T) []byte) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = one(b, v)
	}
	return b
}

func appendAddresses(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

// appendInterval writes an interval as nft does: a prefix where it is one.
func appendInterval(b []byte, i interval, kind keyKind) []byte {
	switch kind {
	case portKey:
		return plan.AppendPorts(b, portRanges([]interval{i})[0])
	case uidKey:
		return plan.AppendIDs(b, idRanges([]interval{i})[0])
	}
	width := kind.width()
	if p := prefixes([]interval{i}, width); len(p) == 1 {
		return appendAddresses(b, p[0])
	}
	return i.last.addr(width).AppendTo(append(i.first.addr(width).AppendTo(b), '-'))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
