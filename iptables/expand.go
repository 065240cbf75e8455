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

// appendPrimitive appends the rules of one family that together say what r
// says: none if r is about addresses of the other family only.
func appendPrimitive(dst []apply.Rule, r plan.Rule, fam plan.Family) []apply.Rule {
	m := r.Match
	if m.Family != plan.Any && m.Family != fam {
		return dst
	}
	src, srcOK := prefixes(m.Src, fam)
	to, dstOK := prefixes(m.Dst, fam)
	if !srcOK || !dstOK {
		return dst
	}
	ports, uids, gids := chunks(m.DstPorts), singles(m.UID), singles(m.GID)
	dst = slices.Grow(dst, len(ports)*len(src)*len(to)*len(uids)*len(gids))
	one := r
	one.Match.Family = fam
	for _, one.Match.DstPorts = range ports {
		for _, one.Match.Src = range src {
			for _, one.Match.Dst = range to {
				for _, one.Match.UID = range uids {
					for _, one.Match.GID = range gids {
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
