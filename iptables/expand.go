package iptables

import (
	"net/netip"
	"slices"

	"shunt/apply"
	"shunt/plan"
)

// slots is how many ports one multiport match holds, a range counting twice
// (XT_MULTI_PORTS in the kernel's include/uapi/linux/netfilter/xt_multiport.h).
const slots = 15

// parts is a rule cut into what single rules of one family can say: every
// combination of them is one.
type parts struct {
	rule       plan.Rule
	ports      [][]plan.PortRange
	src, dst   [][]netip.Prefix
	uids, gids [][]plan.IDRange
}

// split cuts a rule. It has no parts if it is about the other family only.
func split(r plan.Rule, fam plan.Family) parts {
	m := r.Match
	src, srcOK := prefixes(m.Src, fam)
	dst, dstOK := prefixes(m.Dst, fam)
	if m.Family != plan.Any && m.Family != fam || !srcOK || !dstOK {
		return parts{}
	}
	r.Match.Family = fam
	return parts{r, chunks(m.DstPorts), src, dst, singles(m.UID), singles(m.GID)}
}

func (p parts) count() int {
	return len(p.ports) * len(p.src) * len(p.dst) * len(p.uids) * len(p.gids)
}

// appendTo appends the rules that together say what the whole one says.
func (p parts) appendTo(dst []apply.Rule) []apply.Rule {
	dst = slices.Grow(dst, p.count())
	one := p.rule
	for _, one.Match.DstPorts = range p.ports {
		for _, one.Match.Src = range p.src {
			for _, one.Match.Dst = range p.dst {
				for _, one.Match.UID = range p.uids {
					for _, one.Match.GID = range p.gids {
						dst = append(dst, apply.Rule{Rule: one})
					}
				}
			}
		}
	}
	return dst
}

// chunks cuts a port list into parts that fit one multiport match. No ports
// are one empty part: a rule that does not look at ports.
func chunks(ports []plan.PortRange) [][]plan.PortRange {
	if len(ports) == 0 {
		return [][]plan.PortRange{nil}
	}
	parts := make([][]plan.PortRange, 0, len(ports)/(slots/2)+1)
	start, used := 0, 0
	for i, p := range ports {
		need := 1
		if p.First != p.Last {
			need = 2
		}
		if used+need > slots {
			parts = append(parts, ports[start:i:i])
			start, used = i, 0
		}
		used += need
	}
	return append(parts, ports[start:])
}

// singles cuts a list into lists of one. An empty list is one empty part.
func singles[T any](list []T) [][]T {
	if len(list) == 0 {
		return [][]T{nil}
	}
	parts := make([][]T, len(list))
	for i := range list {
		parts[i] = list[i : i+1 : i+1]
	}
	return parts
}

// prefixes returns the family's part of a list, each prefix on its own, and
// false if the list has prefixes of the other family only. A prefix that holds
// every address is no match at all: iptables-save never prints it.
func prefixes(list []netip.Prefix, fam plan.Family) ([][]netip.Prefix, bool) {
	if len(list) == 0 {
		return [][]netip.Prefix{nil}, true
	}
	var parts [][]netip.Prefix
	for _, p := range list {
		switch {
		case familyOf(p) != fam:
		case p.Bits() == 0:
			parts = append(parts, nil)
		default:
			parts = append(parts, []netip.Prefix{p.Masked()})
		}
	}
	return parts, len(parts) > 0
}

func familyOf(p netip.Prefix) plan.Family {
	if p.Addr().Is4() {
		return plan.IPv4
	}
	return plan.IPv6
}
