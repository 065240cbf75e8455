package apply

import (
	"net/netip"
	"slices"

	"shunt/plan"
)

// AsWritten reports whether a state is what its own stamp says: every rule of the
// plan that the stamp names, and nothing else. It needs no settings, since the
// plan is recovered from the rules; expand puts it into the backend's shape again
// (Backend.Expand). The stamp is returned in any case, the zero Stamp where there
// is none or more than one.
func AsWritten(s State, expand func(plan.Plan) State) (stamp Stamp, ok bool) {
	stamps := s.Stamps()
	if len(stamps) != 1 {
		return Stamp{}, false
	}
	p, ok := Recover(s)
	if !ok || !s.WithoutUnused().Equal(expand(p)) {
		return stamps[0], false
	}
	if stamps[0].Exception == ExceptionNoIPv6NAT {
		return stamps[0], true // the hash is of a plan with IPv6, whose lists may have more than the rules
	}
	return stamps[0], p.Hash() == stamps[0].Plan
}

// Recover returns the plan whose rules a state holds, in whatever shape a backend
// gave them: a rule a family, or several where one cannot hold a list. It reports
// false for a state that is of no plan.
func Recover(s State) (plan.Plan, bool) {
	var p plan.Plan
	for _, d := range []plan.Direction{plan.Inbound, plan.Outbound} {
		four, has4, ok4 := s.deciding(d, plan.IPv4)
		six, has6, ok6 := s.deciding(d, plan.IPv6)
		rules, ok := joinFamilies(four, six, has6)
		if !ok || !ok4 || !ok6 || !has4 || d == plan.Outbound && has6 != p.IPv6 {
			return plan.Plan{}, false
		}
		p.IPv6 = has6
		if d == plan.Inbound {
			p.Inbound = rules
		} else {
			p.Outbound = rules
		}
	}
	return p, !slices.ContainsFunc(s.Sections, func(sec Section) bool { return len(sec.Stray) > 0 })
}

// deciding returns the rules that connections of a direction and a family meet,
// each list in one rule. Has is false if they meet none of ours; ok is false if
// one of the rules is of no plan.
func (s State) deciding(d plan.Direction, fam plan.Family) (out []plan.Rule, has, ok bool) {
	for _, sec := range s.Sections {
		if sec.Hook != HookOf(d) || sec.Family != plan.Any && sec.Family != fam {
			continue
		}
		if has {
			return nil, true, false // which of two would decide?
		}
		has = true
		rules := sec.Rules
		if len(rules) == 1 && rules[0].Jump != "" && rules[0].Match.Equal(plan.Match{Family: fam}) {
			to := Place{Family: sec.Family, Table: sec.Table, Chain: rules[0].Jump}
			i := slices.IndexFunc(s.Sections, func(c Section) bool { return c.Place == to })
			if i < 0 {
				return nil, true, false
			}
			rules = s.Sections[i].Rules
		}
		for _, r := range rules {
			if r.Jump != "" || r.Other != "" || r.NotUnderstood != "" {
				return nil, true, false
			}
			if r.Match.Family == plan.Any || r.Match.Family == fam {
				out = addPart(out, r.Rule, fam)
			}
		}
	}
	return out, has, true
}

// addPart adds a rule, or adds to the last rule what this one says beyond it: only
// one list of a plan's rule is ever too long for one rule.
func addPart(rules []plan.Rule, r plan.Rule, fam plan.Family) []plan.Rule {
	r.Match.Family = plan.Any
	everywhere := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}
	if fam == plan.IPv6 {
		everywhere[0] = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	switch m := &r.Match; { // iptables has no match for every address
	case r.Name == "skip-subnets" && m.Src == nil:
		m.Src = everywhere
	case r.Name == "skip-outbound-subnets" && m.Dst == nil:
		m.Dst = everywhere
	}
	if n := len(rules); n > 0 && r.Name != "" && rules[n-1].Name == r.Name && rules[n-1].Verdict == r.Verdict {
		m := &rules[n-1].Match
		m.DstPorts = addList(m.DstPorts, r.Match.DstPorts)
		m.Src = addList(m.Src, r.Match.Src)
		m.Dst = addList(m.Dst, r.Match.Dst)
		m.UID = addList(m.UID, r.Match.UID)
		m.GID = addList(m.GID, r.Match.GID)
		return rules
	}
	return append(rules, r)
}

// addList appends a part of a list, unless it is there already. It never writes to
// the memory of either.
func addList[T comparable](list, part []T) []T {
	if n := len(list) - len(part); n >= 0 && slices.Equal(list[n:], part) {
		return list
	}
	return append(slices.Clip(list), part...)
}

// joinFamilies makes one list of the rules of both families. Only a list of
// addresses differs between them, and a rule whose list has none of a family is
// absent there.
func joinFamilies(four, six []plan.Rule, both bool) (out []plan.Rule, ok bool) {
	if !both {
		return four, true
	}
	listed := func(r plan.Rule) bool { return len(r.Match.Src)+len(r.Match.Dst) > 0 }
	for len(four)+len(six) > 0 {
		var r plan.Rule
		switch {
		case len(four) > 0 && len(six) > 0 && four[0].Name == six[0].Name:
			r = four[0]
			r.Match.Src = append(slices.Clip(r.Match.Src), six[0].Match.Src...)
			r.Match.Dst = append(slices.Clip(r.Match.Dst), six[0].Match.Dst...)
			other := six[0]
			other.Match.Src, other.Match.Dst = r.Match.Src, r.Match.Dst
			if !r.Equal(other) {
				return nil, false
			}
			four, six = four[1:], six[1:]
		case len(four) > 0 && listed(four[0]):
			r, four = four[0], four[1:]
		case len(six) > 0 && listed(six[0]):
			r, six = six[0], six[1:]
		default:
			return nil, false
		}
		out = append(out, r)
	}
	return out, true
}
