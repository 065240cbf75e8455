package iptables

import (
	"net/netip"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// ruleParser reads one rule. What it does not understand, it keeps as it was
// spelled: such a rule never equals one of ours.
type ruleParser struct {
	tokens
	rule     apply.Rule
	targeted bool   // a target of ours was met
	unknown  []byte // what was not understood
	other    []byte // a target that is never ours, and what follows it
}

// parseRule reads what iptables-save prints after "-A CHAIN ".
func parseRule(spec string, fam plan.Family, counter *apply.Counter) apply.Rule {
	p := ruleParser{tokens: tokens{spec}}
	p.rule.Match.Family = fam
	p.rule.Counter = counter
	for {
		option, raw, ok := p.next()
		if !ok {
			break
		}
		if len(option) != len(raw) || !p.option(option) {
			p.keep(raw)
		}
	}
	p.rule.Other = string(p.other)
	if !p.targeted && p.rule.Other == "" {
		p.rule.Other = noTarget
		p.unknown = appendWord(p.unknown, "("+noTarget+")") // such a rule decides nothing
	}
	p.rule.NotUnderstood = string(p.unknown)
	return p.rule
}

// option reads one option with its value and reports whether it was an option
// that is known here. One that is known, with a value that is not, is kept.
func (p *ruleParser) option(name string) bool {
	m := &p.rule.Match
	switch name {
	case "-s", "--source", "--src":
		p.value(name, func(v string) bool { return p.prefix(&m.Src, v) })
	case "-d", "--destination", "--dst":
		p.value(name, func(v string) bool { return p.prefix(&m.Dst, v) })
	case "-o", "--out-interface":
		p.value(name, func(v string) bool {
			ok := m.OutInterface == "" && oneInterface(v)
			if ok {
				m.OutInterface = v
			}
			return ok
		})
	case "-p", "--protocol":
		p.value(name, func(v string) bool {
			m.TCP = m.TCP || v == "tcp" || v == "6" // IPPROTO_TCP
			return v == "tcp" || v == "6" || v == "all"
		})
	case "-m", "--match":
		p.value(name, knownMatch)
	case "--dport", "--destination-port", "--dports", "--destination-ports":
		p.value(name, p.portList)
	case "--uid-owner":
		p.value(name, func(v string) bool { return ids(&m.UID, v) })
	case "--gid-owner":
		p.value(name, func(v string) bool { return ids(&m.GID, v) })
	case "--dst-type":
		p.value(name, func(v string) bool {
			m.DstLocal = m.DstLocal || v == "LOCAL"
			return v == "LOCAL"
		})
	case "--comment":
		p.value(name, func(v string) bool {
			first := p.rule.Name == ""
			if first {
				p.rule.Name, p.rule.Stamp = apply.ParseComment(v)
			}
			return first
		})
	case "-j", "--jump":
		p.value(name, p.target)
	case "-g", "--goto":
		p.value(name, func(string) bool { return p.foreign() })
	case "--to-ports", "--to-port":
		p.value(name, p.redirectPort)
	default:
		return false
	}
	return true
}

// value reads an option's value and hands it to set; what set refuses is kept.
func (p *ruleParser) value(option string, set func(string) bool) {
	v, raw, ok := p.next()
	switch {
	case !ok:
		p.keep(option)
	case !set(v):
		p.keep(option)
		p.keep(raw)
	}
}

// keep keeps a word that was not understood. After a target that is never ours
// it belongs to that: iptables-save prints the target last.
func (p *ruleParser) keep(raw string) {
	if p.other != nil {
		p.other = appendWord(p.other, raw)
		return
	}
	p.unknown = appendWord(p.unknown, raw)
}

func appendWord(b []byte, word string) []byte {
	if len(b) > 0 {
		b = append(b, ' ')
	}
	return append(b, word...)
}

// next is tokens.next, except that it keeps a "!" and the option after it:
// what is negated is never one of ours.
func (p *ruleParser) next() (value, raw string, ok bool) {
	value, raw, ok = p.tokens.next()
	for ok && raw == "!" {
		p.unknown = appendWord(p.unknown, raw)
		if value, raw, ok = p.tokens.next(); ok && raw != "!" {
			p.unknown = appendWord(p.unknown, raw)
			value, raw, ok = p.tokens.next()
		}
	}
	return value, raw, ok
}

// knownMatch says which extensions change nothing by being loaded: only their
// options do.
func knownMatch(name string) bool {
	switch name {
	case "tcp", "multiport", "owner", "addrtype", "comment":
		return true
	}
	return false
}

// oneInterface reports whether a value names one interface: a name that the
// kernel allows (dev_valid_name in net/core/dev.c) and that needs no quotes. A
// trailing + stands for every interface that begins so.
func oneInterface(v string) bool {
	return v != "" && len(v) < unix.IFNAMSIZ && !strings.ContainsAny(v, "/: \t\n\v\f\r\"") && !strings.HasSuffix(v, "+")
}

func (p *ruleParser) prefix(list *[]netip.Prefix, s string) bool {
	var prefix netip.Prefix
	if strings.IndexByte(s, '/') >= 0 {
		var err error
		if prefix, err = netip.ParsePrefix(s); err != nil {
			return false // a mask with holes, for one
		}
	} else {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return false
		}
		prefix = netip.PrefixFrom(a, a.BitLen())
	}
	if *list != nil || familyOf(prefix) != p.rule.Match.Family {
		return false
	}
	if prefix.Bits() > 0 {
		*list = []netip.Prefix{prefix.Masked()}
	}
	return true
}

// portList reads "80", "80:90" and lists of them.
func (p *ruleParser) portList(s string) bool {
	list := make([]plan.PortRange, 0, strings.Count(s, ",")+1)
	for more := true; more; {
		var r plan.PortRange
		var ok bool
		if r.First, s, ok = port(s); !ok {
			return false
		}
		r.Last = r.First
		if strings.HasPrefix(s, ":") {
			if r.Last, s, ok = port(s[1:]); !ok || r.Last < r.First {
				return false
			}
		}
		list = append(list, r)
		if s, more = strings.CutPrefix(s, ","); !more && s != "" {
			return false
		}
	}
	if p.rule.Match.DstPorts != nil {
		return false
	}
	sort.Slice(list, func(i, j int) bool { return list[i].First < list[j].First })
	p.rule.Match.DstPorts = list
	return true
}

// port reads the digits that s begins with, and returns what follows them.
func port(s string) (n uint16, rest string, ok bool) {
	var v uint32
	i := 0
	for i < len(s) && i < 6 && '0' <= s[i] && s[i] <= '9' {
		v = 10*v + uint32(s[i]-'0')
		i++
	}
	return uint16(v), s[i:], i > 0 && v <= 1<<16-1 && (i == 1 || s[0] != '0')
}

// ids reads "2102" and "1000-2000"; iptables-save prints no names.
func ids(list *[]plan.IDRange, s string) bool {
	first, last, ranged := strings.Cut(s, "-")
	if !ranged {
		last = first
	}
	a, ok1 := number(first, 1<<32-1)
	b, ok2 := number(last, 1<<32-1)
	if !ok1 || !ok2 || a > b || *list != nil {
		return false
	}
	*list = []plan.IDRange{{First: uint32(a), Last: uint32(b)}}
	return true
}

// target reads the target that decides or leads on.
func (p *ruleParser) target(name string) bool {
	if p.targeted || p.other != nil {
		return false
	}
	switch {
	case name == "RETURN":
		p.rule.Verdict.Kind = plan.Bypass
	case name == "REDIRECT":
		p.rule.Verdict.Kind = plan.Redirect
	case ourChain(name) >= 0:
		p.rule.Jump = name
	default:
		return p.foreign()
	}
	p.targeted = true
	return true
}

// foreign begins a target that is never ours, if there is none yet. It refuses
// the target's words, so that they are kept.
func (p *ruleParser) foreign() bool {
	if !p.targeted && p.other == nil {
		p.other = []byte{}
	}
	return false
}

func (p *ruleParser) redirectPort(s string) bool {
	port, ok := number(s, 1<<16-1)
	v := &p.rule.Verdict
	if !ok || port == 0 || v.Kind != plan.Redirect || v.Port != 0 {
		return false
	}
	v.Port = uint16(port)
	return true
}
