package iptables

import "shunt/plan"

// hook is one of the two places where shunt's rules hang.
type hook struct {
	name  string // the jump's name, as in its comment
	base  string // the base chain, which belongs to everybody
	chain string // our chain; Linkerd's users know it by this name
	why   string
}

func hooks() [2]hook {
	return [2]hook{
		{"inbound", "PREROUTING", "PROXY_INIT_REDIRECT", "every connection that comes in is decided in our inbound chain"},
		{"outbound", "OUTPUT", "PROXY_INIT_OUTPUT", "every connection that goes out is decided in our outbound chain"},
	}
}

// table is what one family's nat table holds, or should hold, of ours.
type table struct {
	chains  [2]chain    // of each hook
	jumps   [2][]jump   // in each hook's base chain, in order
	foreign [2][]string // rules of others that lead to each hook's chain
}

// chain is one of our chains.
type chain struct {
	present bool
	rules   []plan.Rule
	stamp   string   // for a planned chain: goes into its last rule's comment
	specs   []string // its rules as iptables-save prints them after "-A CHAIN ": of a chain that was read
}

// appendRule appends a rule's text.
func (c *chain) appendRule(b []byte, i int) []byte {
	if c.specs != nil {
		return append(b, c.specs[i]...)
	}
	comment := commentOf(c.rules[i].Name)
	if i == len(c.rules)-1 {
		comment = stamped(comment, c.stamp)
	}
	return appendSpec(b, c.rules[i], comment)
}

// jump is a rule in a base chain that leads to one of our chains.
type jump struct {
	rule     plan.Rule
	spec     string
	position int // in its base chain, from 1; 0: at the end
}

// planned returns the table that holds a plan in one family.
func (b *Backend) planned(p plan.Plan, fam plan.Family) *table {
	t := &table{}
	for i, rules := range [2][]plan.Rule{p.Inbound, p.Outbound} {
		c := &t.chains[i]
		c.present, c.stamp = true, p.Stamped(b.opt.Stamp)
		for _, r := range rules {
			c.rules = appendPrimitive(c.rules, r, fam)
		}
		r := jumpRule(hooks()[i], fam)
		t.jumps[i] = []jump{{rule: r, spec: lineOf(r)}}
	}
	return t
}

func jumpRule(h hook, fam plan.Family) plan.Rule {
	return plan.Rule{
		Name:    h.name,
		Reason:  h.why,
		Match:   plan.Match{Family: fam},
		Verdict: plan.Verdict{Kind: plan.Jump, Chain: h.chain},
	}
}

// sections returns the table's part of a State. A base chain that holds no
// jump of ours, and a chain that does not exist, have no section.
func (t *table) sections(fam plan.Family) []plan.Section {
	prefix := fam.String() + " nat "
	var s []plan.Section
	for i, h := range hooks() {
		if len(t.jumps[i]) > 0 {
			rules := make([]plan.Rule, len(t.jumps[i]))
			for n, j := range t.jumps[i] {
				rules[n] = j.rule
			}
			s = append(s, plan.Section{Name: prefix + h.base, Rules: rules})
		}
	}
	for i, h := range hooks() {
		if c := t.chains[i]; c.present {
			s = append(s, plan.Section{Name: prefix + h.chain, Rules: c.rules})
		}
	}
	return s
}

// equal reports whether two tables hold the same rules of ours.
func (t *table) equal(o *table, fam plan.Family) bool {
	return plan.State{Sections: t.sections(fam)}.Equal(plan.State{Sections: o.sections(fam)})
}
