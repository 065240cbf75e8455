package nftables

import (
	"net/netip"
	"slices"

	"shunt/apply"
	"shunt/plan"
)

// swapped ends the other name of a set that is replaced instead of changed.
const swapped = "-2"

// beside returns the wanted rules with the names that their sets shall have in
// a table that is changed in place.
//
// A commit makes rules visible first and then each set's elements, one set
// after the other (nf_tables_commit in net/netfilter/nf_tables_api.c). In
// between, a connection meets new rules with old lists. One list that changes
// under the same rules does no harm then: the connection is treated as before
// or as after. But what one list loses and another gains, or what another rule
// bypassed until now, would be redirected for that moment. So where a chain's
// rules change, or several of its lists, each list that changes becomes a new
// set under its other name, which is filled before its rule is there.
// With all, every list that changes does.
func (rs ruleset) beside(t liveTable, all bool) ruleset {
	out := ruleset{table: rs.table, sets: slices.Clone(rs.sets)}
	out.in = out.rename(rs.in, t, inboundChain, all)
	out.out = out.rename(rs.out, t, outboundChain, all)
	return out
}

// rename chooses the names of one chain's sets.
func (rs *ruleset) rename(rules []kernelRule, t liveTable, chain string, all bool) []kernelRule {
	rules = slices.Clone(rules)
	var have []apply.Rule
	if c := t.chain(chain); c != nil {
		have = c.rules
	}
	sameForm := slices.EqualFunc(rules, have, func(w kernelRule, h apply.Rule) bool { return apply.Rule{Rule: form(w.Rule)}.Equal(formOf(h)) })
	changes := 0
	for _, r := range rules {
		if l := t.reads(r.set); l != nil && !slices.Equal(l.elems, find(rs.sets, r.set).elems) {
			changes++
		}
	}
	for i, r := range rules {
		l := t.reads(r.set)
		if l == nil {
			continue
		}
		s, name := find(rs.sets, r.set), l.name
		if !slices.Equal(l.elems, s.elems) && (all || !sameForm || changes > 1) {
			name = otherName(r.set, l.name)
		}
		s.name, rules[i].set = name, name
	}
	return rules
}

// reads returns the set, of the two that a list can be in, that a rule reads
// now; nil if none does.
func (t liveTable) reads(list string) *liveSet {
	if list == "" {
		return nil
	}
	for _, name := range []string{list, list + swapped} {
		if l := findLive(t.sets, name); l != nil && l.read {
			return l
		}
	}
	return nil
}

// otherName returns the name of a list's set that is not taken.
func otherName(list, taken string) string {
	if taken == list {
		return list + swapped
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
	r.Verdict.Port = 0
	return r
}

// formOf is form of a live rule.
func formOf(r apply.Rule) apply.Rule {
	r.Rule = form(r.Rule)
	return r
}
