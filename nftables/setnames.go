package nftables

import (
	"net/netip"
	"slices"

	"shunt/apply"
	"shunt/plan"
)

// inPlace returns the wanted rules with the names that their sets are to have
// in a table that is changed in place.
//
// A commit makes rules visible first and then each set's elements, one set after
// the other (nf_tables_commit in net/netfilter/nf_tables_api.c). In between, a
// connection meets new rules with old lists. If one list changes under the same
// rules, no harm is done: the connection is treated as before or as after. But
// what one list loses and another gains, or what another rule bypassed until now,
// would be redirected for that moment. So where a chain's rules change, or several
// of its lists, each list that changes becomes a new set under its other name,
// which is filled before its rule is there. With all, that goes for every list
// that changes.
func (rs ruleset) inPlace(t liveTable, all bool) ruleset {
	out := ruleset{table: rs.table, sets: slices.Clone(rs.sets)}
	out.in = out.nameSets(rs.in, t, inboundChain, all)
	out.out = out.nameSets(rs.out, t, outboundChain, all)
	return out
}

// nameSets chooses the names of one chain's sets.
func (rs *ruleset) nameSets(rules []kernelRule, t liveTable, chain string, all bool) []kernelRule {
	rules = slices.Clone(rules)
	var have []apply.Rule
	if c := t.chain(chain); c != nil {
		have = c.rules
	}
	sameForm := slices.EqualFunc(rules, have, func(w kernelRule, h apply.Rule) bool {
		h.Rule = form(h.Rule)
		return h.Equal(apply.Rule{Rule: form(w.Rule)})
	})
	changes := 0
	for _, r := range rules {
		if l := t.listOf(r.set); l != nil && !slices.Equal(l.elems, findSet(rs.sets, r.set).elems) {
			changes++
		}
	}
	for i, r := range rules {
		l := t.listOf(r.set)
		if l == nil {
			continue
		}
		s, name := findSet(rs.sets, r.set), l.name
		differs := !slices.Equal(l.elems, s.elems)
		if l.comment != setComment(s.name) || differs && (all || !sameForm || changes > 1) {
			name = otherName(r.set, l.name)
		}
		s.name, rules[i].set = name, name
	}
	return rules
}

// listOf returns the set, of the two that can hold a list, that a rule reads
// now; nil if none does.
func (t liveTable) listOf(list string) *liveSet {
	if list == "" {
		return nil
	}
	for _, name := range []string{list, list + secondName} {
		if l := t.set(name); l != nil && l.read {
			return l
		}
	}
	return nil
}

// otherName returns the one of a list's two names that is not taken.
func otherName(list, taken string) string {
	if taken == list {
		return list + secondName
	}
	return list
}

// form returns a rule without what its list holds and without the port that it
// redirects to: what is left decides which lists a connection meets, and in
// which order.
func form(r plan.Rule) plan.Rule {
	m := &r.Match
	if len(m.DstPorts) > 0 {
		m.DstPorts = []plan.PortRange{{}}
	}
	if len(m.Src) > 0 {
		m.Src = []netip.Prefix{{}}
	}
	if len(m.Dst) > 0 {
		m.Dst = []netip.Prefix{{}}
	}
	if len(m.UID) > 1 {
		m.UID = []plan.IDRange{{}, {}}
	}
	r.Verdict.Port = 0
	return r
}
