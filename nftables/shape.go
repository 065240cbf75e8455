package nftables

import (
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// The names under which shunt's rules are in the kernel.
const (
	tableName = "shunt"
	// spareName is the table that acts while tableName is rebuilt.
	spareName     = "shunt-spare"
	inboundChain  = "inbound"
	outboundChain = "outbound"
)

// tableID names a table: in nftables each family has its own names.
type tableID struct {
	family byte // unix.NFPROTO_INET, _IPV4 or _IPV6
	name   string
}

func (t tableID) String() string { return familyName(t.family) + " " + t.name }

// place returns the table, or a chain of it, as apply names it.
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

// tableFor returns the table that holds a plan. With IPv6 off its family is ip,
// so that IPv6 packets never meet it.
func tableFor(p plan.Plan) tableID {
	if p.IPv6 {
		return tableID{unix.NFPROTO_INET, tableName}
	}
	return tableID{unix.NFPROTO_IPV4, tableName}
}

// set is a named interval set, which holds a rule's list.
type set struct {
	name  string
	kind  keyKind
	elems []interval
}

// secondName ends the other name that a list's set can have (see setnames.go).
const secondName = "-2"

// setComment is the comment of a set: the list that it holds. It says nothing
// that a later run could make untrue, because sets outlive the run that made
// them.
func setComment(name string) string {
	name = strings.TrimSuffix(name, secondName)
	for _, suffix := range familySuffixes() {
		name = strings.TrimSuffix(name, suffix)
	}
	return apply.Mark + name
}

// familySuffixes returns how the names of a list's two sets of addresses end.
func familySuffixes() [3]string { return [...]string{plan.IPv4: "-ipv4", plan.IPv6: "-ipv6"} }

// ruleset is a plan in the shape of one nftables table.
type ruleset struct {
	table tableID
	sets  []set
	in    []kernelRule
	out   []kernelRule
}

// kernelRule is a rule of the table with the name of the set that it reads.
type kernelRule struct {
	plan.Rule
	set string
}

// shape splits the plan's rules into rules that the kernel can hold: one family
// where addresses are compared, and each list in a set.
func shape(p plan.Plan) ruleset {
	rs := ruleset{table: tableFor(p)}
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
			out = append(out, rs.listed(r, r.Name, uidKey, idIntervals(m.UID)))
		case len(m.DstPorts) > 0:
			out = append(out, rs.listed(r, r.Name, portKey, portIntervals(m.DstPorts)))
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
	add := func(f plan.Family, kind keyKind, part []netip.Prefix) {
		if len(part) == 0 {
			return
		}
		r.Match.Family = f
		put(&r.Match, part)
		out = append(out, rs.listed(r, r.Name+familySuffixes()[f], kind, prefixIntervals(part)))
	}
	add(plan.IPv4, ipv4Key, list[:split])
	if ipv6 {
		add(plan.IPv6, ipv6Key, list[split:])
	}
	return out
}

// listed adds a set and returns the rule that reads it.
func (rs *ruleset) listed(r plan.Rule, name string, kind keyKind, elems []interval) kernelRule {
	rs.sets = append(rs.sets, set{name, kind, elems})
	return kernelRule{r, name}
}

// chain returns the rules of one of the two chains.
func (rs *ruleset) chain(name string) []kernelRule {
	if name == outboundChain {
		return rs.out
	}
	return rs.in
}

// chains returns the names of the base chains, in the order in which they are
// written and shown.
func chains() [2]string { return [...]string{inboundChain, outboundChain} }

// state returns the rules as Read finds them when they are live.
func (rs *ruleset) state() apply.State {
	var s apply.State
	for _, name := range chains() {
		sec := apply.Section{Place: rs.table.place(name), Hook: applyHook(wantHook(name)), Spec: wantSpec(name)}
		for _, r := range rs.chain(name) {
			sec.Rules = append(sec.Rules, apply.Rule{Rule: r.Rule})
		}
		s.Sections = append(s.Sections, sec)
	}
	return s
}

// findSet returns the set of that name, or nil.
func findSet(sets []set, name string) *set {
	for i := range sets {
		if sets[i].name == name {
			return &sets[i]
		}
	}
	return nil
}
