package nftables

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// The names under which shunt's rules stand in the kernel.
const (
	tableName = "shunt"
	// spareName is the table that stands in while tableName is rebuilt.
	spareName     = "shunt-spare"
	inboundChain  = "inbound"
	outboundChain = "outbound"
	commentPrefix = "shunt/"
)

// tableID names a table: nftables has one name space a family.
type tableID struct {
	family byte // unix.NFPROTO_INET, _IPV4 or _IPV6
	name   string
}

func (t tableID) String() string { return familyName(t.family) + " " + t.name }

// place names a chain of the table, or with an empty name the table itself.
func (t tableID) place(chain string) apply.Place {
	p := apply.Place{Table: t.name, Chain: chain}
	switch t.family {
	case unix.NFPROTO_IPV4:
		p.Family = plan.IPv4
	case unix.NFPROTO_IPV6:
		p.Family = plan.IPv6
	}
	return p
}

// set is a named interval set: what a rule's list is compared with.
type set struct {
	name  string
	width int // of a key, in bytes: 2 ports, 4 IPv4, 16 IPv6
	elems []interval
}

// ruleset is a plan in the shape of one nftables table.
type ruleset struct {
	table tableID
	sets  []set
	in    []kernelRule
	out   []kernelRule
}

// kernelRule is one rule of the table with the name of the set that it reads.
type kernelRule struct {
	plan.Rule
	set string
}

// shape splits the plan's rules into rules that the kernel can hold: one
// family where addresses are compared, one range of ids, each list in a set.
func shape(p plan.Plan, t tableID) ruleset {
	rs := ruleset{table: t}
	rs.in = rs.split(p.Inbound, p.IPv6)
	rs.out = rs.split(p.Outbound, p.IPv6)
	return rs
}

func (rs *ruleset) split(rules []plan.Rule, ipv6 bool) []kernelRule {
	var out []kernelRule
	for _, r := range rules {
		switch m := r.Match; {
		case len(m.Src) > 0:
			out = rs.perFamily(out, r, m.Src, ipv6, func(m *plan.Match, p []netip.Prefix) { m.Src = p })
		case len(m.Dst) > 0:
			out = rs.perFamily(out, r, m.Dst, ipv6, func(m *plan.Match, p []netip.Prefix) { m.Dst = p })
		case len(m.UID) > 1:
			for i := range m.UID {
				r.Match.UID = m.UID[i : i+1]
				out = append(out, kernelRule{Rule: r})
			}
		case len(m.DstPorts) > 0:
			out = append(out, kernelRule{Rule: r, set: r.Name})
			rs.sets = append(rs.sets, set{r.Name, 2, portIntervals(m.DstPorts)})
		default:
			out = append(out, kernelRule{Rule: r})
		}
	}
	return out
}

func (rs *ruleset) perFamily(out []kernelRule, r plan.Rule, list []netip.Prefix, ipv6 bool, put func(*plan.Match, []netip.Prefix)) []kernelRule {
	split := 0
	for split < len(list) && list[split].Addr().Is4() {
		split++
	}
	add := func(f plan.Family, width int, part []netip.Prefix) {
		if len(part) == 0 {
			return
		}
		r.Match.Family = f
		put(&r.Match, part)
		name := r.Name + "-" + [...]string{plan.IPv4: "ipv4", plan.IPv6: "ipv6"}[f]
		out = append(out, kernelRule{Rule: r, set: name})
		rs.sets = append(rs.sets, set{name, width, prefixIntervals(part)})
	}
	add(plan.IPv4, 4, list[:split])
	if ipv6 {
		add(plan.IPv6, 16, list[split:])
	}
	return out
}

// find returns the set of that name, or nil.
func find(sets []set, name string) *set {
	for i := range sets {
		if sets[i].name == name {
			return &sets[i]
		}
	}
	return nil
}
