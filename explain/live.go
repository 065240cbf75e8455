package explain

import (
	"fmt"
	"strings"

	"shunt/plan"
)

// Live explains a connection by live rules: what each backend, by its name,
// holds, and the interfaces that are up, if they are known. Where several hold
// rules of ours, one that redirects is enough. Settings are not known here, so
// there are no changes.
func Live(q *Question, backends []string, states []plan.State, interfaces []Interface) *Explanation {
	f := q.Flow()
	e := newExplanation(q)
	e.Live, e.interfaces = true, interfaces
	best := plan.Decision{Index: -1}
	for i := range states {
		for _, sec := range met(&states[i], &f) {
			name := backends[i] + ", " + sec.Name
			d := plan.DecideIn(sec.Rules, f)
			e.chain(name, sec.Rules, d.Index)
			if d.Index >= 0 && (best.Index < 0 || best.Verdict.Kind != plan.Redirect && d.Verdict.Kind == plan.Redirect) {
				best = d
				e.Why = fmt.Sprintf("rule %d of %s: %s", d.Index+1, name, d.Rule.Name)
			}
		}
	}
	switch {
	case len(e.Chains) == 0:
		e.Why = "no live rule of shunt's is about " + q.Direction.String() + " connections of this family"
	case best.Index < 0:
		e.Why = noMatch(q)
	}
	e.decide(q, &best)
	for i := range states {
		e.unread(backends[i], &states[i])
	}
	return e
}

// unread names what was left out of account, because it cannot be read.
func (e *Explanation) unread(backend string, s *plan.State) {
	say := func(section, what string) {
		e.Hints = append(e.Hints, "Left out of account, "+backend+", "+section+": "+what)
	}
	for i := range s.Sections {
		sec := &s.Sections[i]
		for _, line := range sec.Stray {
			say(sec.Name, line)
		}
		for n := range sec.Rules {
			if what := sec.Rules[n].Match.NotUnderstood; what != "" {
				say(sec.Name, what)
			}
		}
	}
}

// met returns the sections whose rules decide about a flow: base chains of its
// direction and family, or where their jumps lead that match. Sections are
// named "FAMILY TABLE CHAIN"; a base chain of nftables has its hook in its
// specification, those of iptables are PREROUTING and OUTPUT.
func met(s *plan.State, f *plan.Flow) []*plan.Section {
	hook, base := "hook prerouting ", " PREROUTING"
	if f.Direction == plan.Outbound {
		hook, base = "hook output ", " OUTPUT"
	}
	var out []*plan.Section
	for i := range s.Sections {
		sec := &s.Sections[i]
		family, _, _ := strings.Cut(sec.Name, " ")
		switch {
		case family != "inet" && (family == "ip6") != f.Dst.Addr().Is6():
		case strings.Contains(sec.Spec, hook):
			out = append(out, sec)
		case strings.HasSuffix(sec.Name, base):
			for n := range sec.Rules {
				r := &sec.Rules[n]
				to := strings.TrimSuffix(sec.Name, base) + " " + r.Verdict.Chain
				for j := range s.Sections {
					if s.Sections[j].Name == to && r.Match.Holds(*f) {
						out = append(out, &s.Sections[j])
					}
				}
			}
		}
	}
	return out
}
