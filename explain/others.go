package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

// Other is a base chain of somebody else's on the way of a pod's connections.
type Other struct {
	Chain    string      `json:"chain"` // "inet fw prerouting"
	Kind     string      `json:"kind"`  // "nat", "filter" or "route"
	Hook     string      `json:"hook"`
	Priority int         `json:"priority"`
	Order    string      `json:"order"`            // relative to shunt's rules
	Can      string      `json:"can"`              // what it can do to a connection, "nothing" if it only looks
	Rules    []OtherRule `json:"rules,omitempty"`  // that may decide
	Unread   string      `json:"unread,omitempty"` // why there may be more
	table    string
}

// OtherRule is a rule of somebody else's.
type OtherRule struct {
	Match   string  `json:"match"`
	Does    string  `json:"does"`            // "drop", "dnat to 10.0.0.9:3307"
	Maybe   string  `json:"maybe,omitempty"` // what of its match was not understood
	Packets *uint64 `json:"packets,omitempty"`
}

// text describes the rule on one line.
func (r *OtherRule) text() string {
	s := shorten(r.Match) + ": " + r.Does
	if r.Maybe != "" {
		s += ", provided that this holds, which was not understood: " + r.Maybe
	}
	if r.Packets != nil {
		s += ", " + plural(*r.Packets, "packet")
	}
	return s
}

// other describes a chain, with those of its rules that holds accepts.
func other(c *apply.BaseChain, holds func(plan.Match) bool) Other {
	o := Other{
		Chain: c.Place.String(), Kind: c.Kind, Hook: c.At, Priority: c.Priority, Order: c.Order().String(),
		Unread: c.Unread, table: apply.Place{Family: c.Family, Table: c.Table}.String(),
	}
	for _, r := range c.Rules {
		if holds(r.Match) {
			one := OtherRule{Match: r.Match.String(), Does: r.Other, Maybe: r.NotUnderstood}
			if one.Does == "" {
				one.Does = r.Verdict.String()
			}
			if r.Counter != nil {
				one.Packets = &r.Counter.Packets
			}
			o.Rules = append(o.Rules, one)
		}
	}
	if c.Drops {
		o.Rules = append(o.Rules, OtherRule{Match: "what it does not accept", Does: "drop"})
	}
	switch {
	case len(o.Rules) > 0:
		o.Can = abilities(o.Rules)
	case o.Unread != "":
		o.Can = "not known: " + o.Unread
	default:
		o.Can = "nothing"
	}
	return o
}

// abilities lists what rules do, each once: "drop, dnat".
func abilities(rules []OtherRule) string {
	var all []string
	seen := map[string]bool{}
	for _, r := range rules {
		does, _, _ := strings.Cut(r.Does, " to ")
		if !seen[does] {
			seen[does] = true
			all = append(all, does)
		}
	}
	return strings.Join(all, ", ")
}

// decides reports whether the chain can decide before shunt's rules do, so that
// they do not.
func (o *Other) decides() bool { return o.Order != apply.After.String() && o.Can != "nothing" }

// fewRules is how many rules of one chain are shown: somebody else's may have
// thousands.
const fewRules = 10

// lines describes the chain's rules, the first few.
func (o *Other) lines() (out []string) {
	for i := range o.Rules {
		if i == fewRules {
			return append(out, fmt.Sprintf("and %d more", len(o.Rules)-fewRules))
		}
		out = append(out, o.Rules[i].text())
	}
	return out
}

// others notes which chains of others a connection passes that may decide about
// it. After a redirect, it goes to the proxy's port; its packet keeps the interface
// that it was to leave by until postrouting (struct nf_hook_state).
func (e *Explanation) others(f plan.Flow, verdict plan.Verdict, chains []apply.BaseChain) {
	then := f
	if verdict.Kind == plan.Redirect {
		to := f.Dst.Addr()
		if f.Direction == plan.Outbound {
			to = netip.AddrFrom4([4]byte{127, 0, 0, 1})
			if f.Dst.Addr().Is6() {
				to = netip.IPv6Loopback()
			}
		}
		then.Dst, then.DstLocal = netip.AddrPortFrom(to, verdict.Port), true
	}
	fam := plan.IPv4
	if f.Dst.Addr().Is6() {
		fam = plan.IPv6
	}
	for i := range chains {
		c := &chains[i]
		if !c.Passes(f.Direction, fam) {
			continue
		}
		at := f
		if c.Order() == apply.After {
			at = then
			if c.At == "postrouting" && verdict.Kind == plan.Redirect {
				at.OutInterface = plan.Loopback
			}
		}
		o := other(c, func(m plan.Match) bool { return m.Holds(at) })
		if o.Can == "nothing" || c.Kind == "nat" && c.Order() == apply.After && verdict.Kind == plan.Redirect {
			continue // nat looks at a connection once
		}
		e.Others = append(e.Others, o)
		for _, line := range o.lines() {
			e.Hints = append(e.Hints, fmt.Sprintf("Not shunt's, %s: %s (%s, priority %d) has a rule for it: %s", o.Order, o.Chain, o.Kind, o.Priority, line))
		}
		if o.Unread != "" {
			e.Hints = append(e.Hints, fmt.Sprintf("Not shunt's, %s: %s (%s, priority %d) was not read: %s", o.Order, o.Chain, o.Kind, o.Priority, o.Unread))
		}
	}
	for i := range e.Others {
		if e.Others[i].decides() {
			e.Lands = "not known: rules that are not shunt's may decide before shunt's do, see the notes; else " + e.Lands
			return
		}
	}
}
