package explain

import (
	"fmt"

	"shunt/config"
	"shunt/plan"
)

// Explanation is what happens to one connection, for people and for programs.
type Explanation struct {
	Connection string `json:"connection"`
	Workload   string `json:"workload,omitempty"` // whose configuration it is
	Live       bool   `json:"live"`               // by the live rules, not by the plan

	Verdict plan.VerdictView `json:"verdict"`
	Lands   string           `json:"lands"` // where the connection ends
	Why     string           `json:"why"`

	Chains  []Chain  `json:"chains"`
	Changes []Change `json:"changes"` // each on its own, unless it says otherwise
	Hints   []string `json:"hints"`
	Others  []Other  `json:"others,omitempty"` // live: chains of others that may decide about it

	question   *Question
	untouched  bool        // the rules are not written for the connection's family
	onward     *onward     // the proxy's own connection, if it is known
	interfaces []Interface // of the live namespace; nil if they are not known
	plainText  bool        // meshed clients know that the port is skipped inbound
}

// Chain is an ordered list of rules, one of which may decide.
type Chain struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// Rule is one rule of a chain.
type Rule struct {
	Number  int              `json:"number"` // from 1
	Name    string           `json:"name"`
	Match   string           `json:"match"`
	Verdict plan.VerdictView `json:"verdict"`
	Does    string           `json:"does,omitempty"` // what a live rule does that the verdict has no word for: "drop"
	Decides bool             `json:"decides"`
	Packets *uint64          `json:"packets,omitempty"` // first packets of connections, counted by the kernel
}

// Plan explains a connection by the rules that a configuration asks for. The
// decision is plan.Decide's.
func Plan(q *Question, c *config.Config) *Explanation {
	p, f := plan.Build(*c), q.Flow()
	d := p.Decide(f)
	e := newExplanation(q)
	rules := p.Inbound
	if q.Direction == plan.Outbound {
		rules = p.Outbound
	}
	e.chain(q.Direction.String(), rules, d.Index)
	switch {
	case d.Index >= 0:
		e.Why = fmt.Sprintf("rule %d, %s: %s", d.Index+1, d.Rule.Name, d.Rule.Reason)
	case f.Dst.Addr().Is6() && !p.IPv6:
		e.Why, e.untouched = "IPv6 is not redirected: ipv6 is false", true
	case f.TCP && f.Direction == plan.Inbound && !f.DstLocal:
		e.Why = "no rule matches: with inbound-local-only, forwarded connections are not redirected"
	default:
		e.Why = noMatch(q)
	}
	e.plainText = withheld(c, f.Dst.Port())
	e.decide(q, &d)
	if d.Verdict.Kind == plan.Redirect {
		e.onward = proxyLeg(q, c, &p)
	}
	e.Changes = append(e.Changes, changes(&f, c, d.Verdict)...)
	return e
}

// NotInjected explains a connection of a pod that gets no rules.
func NotInjected(q *Question, because string) *Explanation {
	e := newExplanation(q)
	e.decide(q, &plan.Decision{Index: -1})
	e.Why = "the pod has no rules, because it is not injected: " + because
	return e
}

func newExplanation(q *Question) *Explanation {
	return &Explanation{question: q, Connection: q.String(), Chains: []Chain{}, Changes: []Change{}, Hints: []string{}}
}

func noMatch(q *Question) string {
	if q.UDP {
		return "only TCP is redirected"
	}
	return "no rule matches, so the connection bypasses the proxy"
}

// decide notes the verdict and what follows from it. A redirect at output goes
// to the loopback address, one at prerouting to the first address of the
// interface that the packet came in by (net/netfilter/nf_nat_redirect.c).
func (e *Explanation) decide(q *Question, d *plan.Decision) {
	e.Verdict, e.Lands = d.Verdict.View(), q.destination()
	switch {
	case d.Verdict.Kind == plan.Redirect:
		on := "port %d on the address of the interface that it came in by"
		if q.Direction == plan.Outbound {
			if on = "127.0.0.1:%d"; q.To.Is6() {
				on = "[::1]:%d"
			}
		}
		e.Lands = fmt.Sprintf(on+", the proxy's, which learns from the socket (SO_ORIGINAL_DST) that it was going to %s", d.Verdict.Port, e.Lands)
	case q.Direction == plan.Inbound:
		e.Lands += ", without the proxy"
	default:
		e.Lands += ", where it was going"
	}
	e.landing(q, d)
	e.hint(q, d)
}

// chain adds a list of rules, of which one decides; -1 is none.
func (e *Explanation) chain(name string, rules []plan.Rule, decides int) {
	c := Chain{name, make([]Rule, len(rules))}
	for i, r := range rules {
		c.Rules[i] = explained(r, i, i == decides)
	}
	e.Chains = append(e.Chains, c)
}

// explained is the rule at an index of its chain.
func explained(r plan.Rule, i int, decides bool) Rule {
	return Rule{Number: i + 1, Name: r.Name, Match: r.Match.String(), Verdict: r.Verdict.View(), Decides: decides}
}
