package iptables

import (
	"fmt"
	"slices"

	"shunt/apply"
	"shunt/plan"
)

// hook is one of the two places where shunt's rules hang.
type hook struct {
	hook  apply.Hook
	name  string // the jump's name, as in its comment
	base  string // the base chain, which belongs to everybody
	chain string // our chain; Linkerd's users know it by this name
	why   string
}

func hooks() [2]hook {
	return [2]hook{
		{apply.Prerouting, "inbound", "PREROUTING", "PROXY_INIT_REDIRECT", "every connection that comes in is decided in our inbound chain"},
		{apply.Output, "outbound", "OUTPUT", "PROXY_INIT_OUTPUT", "every connection that goes out is decided in our outbound chain"},
	}
}

// tables holds one table for each of the families.
type tables [2]*table

// table is what one family's nat table holds, or should hold, of ours.
type table struct {
	chains  [2]chain    // of each hook
	jumps   [2][]jump   // in each hook's base chain, in order
	many    [2]bool     // there are more jumps than those
	foreign [2][]string // rules of others that lead to each hook's chain, the first few
}

// chain is one of our chains.
type chain struct {
	present bool
	rules   []apply.Rule
	specs   []string // its rules as iptables-save prints them after "-A CHAIN "; none in a planned chain
	many    int      // how many rules it has, if they are too many: then rules and specs have none
}

// jump is a rule in a base chain that leads to one of our chains.
type jump struct {
	rule     apply.Rule
	spec     string
	position int // in its base chain, from 1; 0: at the end
}

// planned returns the tables that hold what is wanted. The last rule of each
// chain has the stamp: it is rewritten with its chain, whereas jumps stay.
func planned(want apply.Desired) tables {
	p := want.Plan
	var out tables
	for i, fam := range families() {
		t := &table{}
		out[i] = t
		if fam == plan.IPv6 && !p.IPv6 {
			continue
		}
		for k, rules := range [2][]plan.Rule{p.Inbound, p.Outbound} {
			c := &t.chains[k]
			c.present = true
			c.add(rules, fam)
			c.stamp(want.Stamp)
			r := jumpRule(hooks()[k], fam)
			t.jumps[k] = []jump{{rule: r, spec: lineOf(r)}}
		}
	}
	return out
}

// add adds planned rules.
func (c *chain) add(rules []plan.Rule, fam plan.Family) {
	all, n := make([]parts, len(rules)), 0
	for i, r := range rules {
		all[i] = split(r, fam)
		n += all[i].count()
	}
	if n > MaxRules {
		c.many = n
		return
	}
	for _, p := range all {
		c.rules = p.appendTo(c.rules)
	}
}

// stamp gives the last rule a stamp, as it is read back.
func (c *chain) stamp(s apply.Stamp) {
	if n := len(c.rules); n > 0 {
		last := &c.rules[n-1]
		_, last.Stamp = apply.ParseComment(stamped(apply.Comment(last.Name), s))
	}
}

func jumpRule(h hook, fam plan.Family) apply.Rule {
	r := apply.Rule{Jump: h.chain}
	r.Name, r.Reason, r.Match.Family = h.name, h.why, fam
	return r
}

// state returns what the tables hold, for everybody. A base chain that holds no
// jump of ours, and a chain that does not exist, have no section.
func (ts tables) state() apply.State {
	var s apply.State
	for i, fam := range families() {
		s.Sections = append(s.Sections, ts[i].sections(fam)...)
	}
	return s
}

func (t *table) sections(fam plan.Family) []apply.Section {
	place := func(chain string) apply.Place { return apply.Place{Family: fam, Table: "nat", Chain: chain} }
	var s []apply.Section
	for i, h := range hooks() {
		if len(t.jumps[i]) > 0 {
			rules := make([]apply.Rule, len(t.jumps[i]))
			for n, j := range t.jumps[i] {
				rules[n] = j.rule
			}
			s = append(s, apply.Section{Place: place(h.base), Hook: h.hook, Rules: rules, Stray: tooLarge(t.many[i], len(rules))})
		}
	}
	for i, h := range hooks() {
		if c := t.chains[i]; c.present {
			s = append(s, apply.Section{Place: place(h.chain), Rules: c.rules, Stray: tooLarge(c.many > 0, MaxRules)})
		}
	}
	return s
}

// tooLarge is what stands for rules that were not kept.
func tooLarge(many bool, n int) []string {
	if !many {
		return nil
	}
	return []string{fmt.Sprintf("more than %d rules: too many to compare", n)}
}

// equal reports whether two tables hold the same rules of ours.
func (t *table) equal(o *table, fam plan.Family) bool {
	return slices.EqualFunc(t.sections(fam), o.sections(fam), apply.Section.Equal)
}

// sameStamps reports whether two tables that are equal also say the same of
// their origin.
func (t *table) sameStamps(o *table) bool {
	for i := range t.chains {
		same := func(a, b apply.Rule) bool { return a.Stamp == b.Stamp }
		if !slices.EqualFunc(t.chains[i].rules, o.chains[i].rules, same) {
			return false
		}
	}
	return true
}

// kept returns an error for each chain that is emptied and cannot be deleted
// on the way to another table, because somebody else's rules lead to it.
func (t *table) kept(to *table, fam plan.Family) (errs []error) {
	for i, h := range hooks() {
		if t.chains[i].present && !to.chains[i].present && len(t.foreign[i]) > 0 {
			errs = append(errs, fmt.Errorf("chain %v nat %s was emptied but not deleted: %q leads to it and is not shunt's; delete that rule, then clear again",
				fam, h.chain, t.foreign[i][0]))
		}
	}
	return errs
}
