package explain

import (
	"fmt"
	"slices"

	"shunt/apply"
	"shunt/plan"
)

// Live explains a connection by what was found in its namespace, and by the
// interfaces that are up, if they are known. Where several owners hold rules of
// ours, one that redirects is enough. Settings are not known here, so there are
// no changes.
func Live(q *Question, found *apply.Found, interfaces []Interface) *Explanation {
	f := q.Flow()
	e := newExplanation(q)
	e.Live, e.interfaces = true, interfaces
	decision, other := plan.Decision{Index: -1}, ""
	for _, h := range found.Held {
		for _, sec := range met(h.State, &f) {
			name := string(h.Owner) + ", " + sec.Place.String()
			i := apply.Decide(sec.Rules, f)
			e.Chains = append(e.Chains, liveChain(name, sec.Rules, i))
			if i < 0 {
				continue
			}
			r := sec.Rules[i]
			if decision.Index < 0 || decision.Verdict.Kind != plan.Redirect && r.Verdict.Kind == plan.Redirect {
				decision, other = plan.Decision{Index: i, Rule: r.Rule, Verdict: r.Verdict}, r.Other
				e.Why = fmt.Sprintf("rule %d of %s: %s", i+1, name, r.Title())
			}
		}
	}
	switch {
	case len(e.Chains) == 0:
		e.Why = "shunt has no live rules for " + q.Direction.String() + " connections of this family"
	case decision.Index < 0:
		e.Why = noMatch(q)
	}
	e.decide(q, &decision)
	if other != "" {
		e.Verdict = plan.VerdictView{Action: "other"}
		e.Lands = "not known: the rule that decides is not shunt's and says " + other
	}
	e.others(f, decision.Verdict, found.Others)
	for _, h := range found.Held {
		e.unread(h)
	}
	for _, u := range found.Unread {
		e.Hints = append(e.Hints, "Not considered, "+u)
	}
	return e
}

// liveChain returns a chain of live rules, of which one decides; -1 is none.
func liveChain(name string, rules []apply.Rule, decides int) Chain {
	c := Chain{name, make([]Rule, len(rules))}
	for i, r := range rules {
		c.Rules[i] = explained(r.Rule, i, i == decides)
		c.Rules[i].Name = r.Title()
		switch {
		case r.NotUnderstood != "":
			c.Rules[i].Match, c.Rules[i].Verdict = "not understood: "+r.NotUnderstood, plan.VerdictView{Action: "unknown"}
		case r.Jump != "":
			c.Rules[i].Verdict, c.Rules[i].Does = plan.VerdictView{Action: "jump"}, "jump to "+r.Jump
		case r.Other != "":
			c.Rules[i].Verdict, c.Rules[i].Does = plan.VerdictView{Action: "other"}, r.Other
		}
		if r.Counter != nil {
			c.Rules[i].Packets = &r.Counter.Packets
		}
	}
	return c
}

// unread names what could not be read and was not considered.
func (e *Explanation) unread(h apply.Held) {
	for _, sec := range h.State.Sections {
		say := func(what string) {
			e.Hints = append(e.Hints, fmt.Sprintf("Not considered, %s, %s: %s", h.Owner, sec.Place, what))
		}
		for _, line := range sec.Stray {
			say(line)
		}
		for _, r := range sec.Rules {
			if r.NotUnderstood != "" {
				say(r.NotUnderstood)
			}
		}
	}
}

// met returns the sections whose rules decide about a flow: chains that packets
// of its direction and family enter, or where the jumps in them lead that match.
func met(s apply.State, f *plan.Flow) []apply.Section {
	family := plan.IPv4
	if f.Dst.Addr().Is6() {
		family = plan.IPv6
	}
	var out []apply.Section
	for _, sec := range s.Sections {
		if sec.Hook != apply.HookOf(f.Direction) || sec.Family != plan.Any && sec.Family != family {
			continue
		}
		if slices.ContainsFunc(sec.Rules, func(r apply.Rule) bool { return r.Jump == "" }) {
			out = append(out, sec)
			continue
		}
		for _, r := range sec.Rules { // our jumps in a chain that belongs to everybody
			to := apply.Place{Family: sec.Family, Table: sec.Table, Chain: r.Jump}
			for _, chain := range s.Sections {
				if chain.Place == to && r.Match.Holds(*f) {
					out = append(out, chain)
				}
			}
		}
	}
	return out
}
