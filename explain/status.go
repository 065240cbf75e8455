package explain

import (
	"fmt"
	"slices"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

// Condition says in one word how a namespace stands.
type Condition string

// The conditions.
const (
	InOrder    Condition = "in order"
	LookAtIt   Condition = "look at it" // the rules are right, and something else may decide
	NotInOrder Condition = "not in order"
	NoRules    Condition = "no rules"
)

// Status is one namespace at a glance, for people and for programs.
type Status struct {
	Verdict Condition `json:"verdict"`
	Why     []string  `json:"why"`  // what stands against it; empty if it is in order
	Next    []string  `json:"next"` // what to do, in that order

	Backend   apply.ID `json:"backend,omitempty"`
	Table     string   `json:"table,omitempty"`   // "ip shunt"
	Version   string   `json:"version,omitempty"` // of the program that wrote the rules
	Plan      string   `json:"plan,omitempty"`    // the hash of the plan that they are for
	Exception string   `json:"exception,omitempty"`

	HeldAgainst   string         `json:"heldAgainst"` // their own "stamp", "settings" that were given, or "nothing"
	Drift         bool           `json:"drift"`
	OtherSpelling bool           `json:"otherSpelling,omitempty"` // other rules than those of the settings, with the same effect
	Changes       []apply.Change `json:"changes,omitempty"`       // against settings

	IPv6        bool `json:"ipv6"`        // the rules cover IPv6
	IPv6Address bool `json:"ipv6Address"` // the namespace has an address beyond link-local

	Chains    []Chain  `json:"chains"`
	Leftovers []string `json:"leftovers"` // rules of ours that other backends hold: "iptables-nft, ip nat PREROUTING"
	Others    []Other  `json:"others"`    // chains of others on the way, in the order in which they are passed
	Unread    []string `json:"unread"`    // what could not be looked at
}

// Remedies are the commands that a reader of a status has, in the words of whoever
// shows it.
type Remedies struct {
	Apply string // makes the rules live that are wanted
	Diff  string // shows how the live rules differ from those
}

// NewStatus judges what was found in a namespace. Against settings it is held by
// their comparison; without one, the rules are held against their own stamp.
func NewStatus(found *apply.Found, against *apply.Comparison, do Remedies) *Status {
	s := &Status{
		Verdict: InOrder, Why: []string{}, Next: []string{}, HeldAgainst: "stamp", IPv6Address: found.IPv6,
		Chains: []Chain{}, Leftovers: []string{}, Others: []Other{}, Unread: append([]string{}, found.Unread...),
	}
	for i := range found.Others {
		s.Others = append(s.Others, other(&found.Others[i], func(plan.Match) bool { return true }))
	}
	ours := s.choose(found.Held, against)
	if ours == nil {
		s.none(do)
		return s
	}
	s.Backend, s.Version, s.Plan, s.Exception = ours.Owner, ours.Stamp.Version, ours.Stamp.Plan, ours.Stamp.Exception
	s.describe(ours)
	s.hold(ours, against, do)
	if len(s.Leftovers) > 0 {
		s.against(NotInOrder, "another backend holds rules of shunt's as well, and what either set redirects is redirected: "+strings.Join(s.Leftovers, "; "))
		s.next("remove what the other backend holds: " + do.Apply)
	}
	if s.IPv6Address && !s.IPv6 {
		s.against(LookAtIt, "IPv6 is not covered, and there is an IPv6 address: its connections bypass the proxy")
		s.next("if the proxy listens on IPv6, set ipv6 to true in the pod's settings: " + do.Apply)
	}
	for i := range s.Others {
		if o := &s.Others[i]; o.decides() {
			s.against(LookAtIt, fmt.Sprintf("%s (%s, priority %d), which is not shunt's, may decide first: %s", o.Chain, o.Kind, o.Priority, o.Can))
			s.next("find out who wrote table " + o.table + ", and whether the connections that it takes should go through the proxy")
		}
	}
	return s
}

// choose returns whose rules the status is about: those that the settings were
// compared with; else the first that are as they were written; else the first.
// What the others hold is left over.
func (s *Status) choose(held []apply.Held, against *apply.Comparison) (chosen *apply.Held) {
	for i := range held {
		h := &held[i]
		switch {
		case h.State.Empty():
		case chosen == nil, against != nil && h.Owner == against.Backend, against == nil && h.AsWritten && !chosen.AsWritten:
			chosen = h
		}
	}
	for i := range held {
		if h := &held[i]; h != chosen {
			for _, sec := range h.State.Sections {
				s.Leftovers = append(s.Leftovers, string(h.Owner)+", "+sec.Place.String())
			}
		}
	}
	return chosen
}

// none is what a namespace says that has no rules of ours.
func (s *Status) none(do Remedies) {
	s.against(NoRules, "init never ran here, or its rules were removed: every connection bypasses the proxy")
	for i := range s.Others {
		o := &s.Others[i]
		if can := strings.ToLower(o.Can); strings.Contains(can, "redirect") || strings.Contains(can, "dnat") {
			s.Why = append(s.Why, fmt.Sprintf("%s (%s, priority %d), which is not shunt's, redirects some: is it another mesh's?", o.Chain, o.Kind, o.Priority))
		}
	}
	s.next("if this pod is meant to have a proxy, apply the rules: " + do.Apply)
}

// describe shows the rules, as the kernel holds them.
func (s *Status) describe(ours *apply.Held) {
	for _, sec := range ours.State.Sections {
		table := apply.Place{Family: sec.Family, Table: sec.Table}.String()
		if s.Table == "" {
			s.Table = table
		} else if !slices.Contains(strings.Split(s.Table, ", "), table) {
			s.Table += ", " + table
		}
		s.IPv6 = s.IPv6 || sec.Family != plan.IPv4
		for _, stray := range sec.Stray {
			s.Why = append(s.Why, sec.Place.String()+": "+stray)
		}
		if len(sec.Rules) > 0 || sec.Chain != "" {
			s.Chains = append(s.Chains, liveChain(sec.Place.String(), sec.Rules, -1))
		}
	}
}

// hold judges the rules against settings, or else against their own stamp.
func (s *Status) hold(ours *apply.Held, against *apply.Comparison, do Remedies) {
	switch {
	case against != nil:
		s.HeldAgainst, s.Changes = "settings", against.Changes()
		equal := against.Live.Equal(against.Want)
		s.OtherSpelling = !equal && against.SameEffect()
		if s.Drift = !equal && !s.OtherSpelling; s.Drift {
			s.against(NotInOrder, "the rules are not those of the settings: "+against.Summary())
			s.next("see how they differ: "+do.Diff, "put them right: "+do.Apply)
		}
	case ours.AsWritten:
	case ours.Stamp == apply.Stamp{} && len(ours.State.Stamps()) == 0:
		s.HeldAgainst = "nothing"
		s.against(LookAtIt, "the rules do not say who wrote them or for which plan, which is so for those of Linkerd's proxy-init: give the pod's settings to compare them with")
		if wrong := clues(ours.State); wrong != nil {
			s.against(NotInOrder, "no settings would give such rules")
			s.Why = append(s.Why, wrong...)
		}
		s.next("see how they differ from the settings: "+do.Diff, "take them over: "+do.Apply)
	default:
		s.Drift = true
		s.against(NotInOrder, "somebody changed the rules after shunt wrote them: they are no longer those of the plan that they name")
		s.Why = append(s.Why, clues(ours.State)...)
		s.next("see how they differ: "+do.Diff, "put them right: "+do.Apply)
	}
}

// clues says what is wrong with rules of which at most the hash is known.
func clues(state apply.State) (all []string) {
	stamped := len(state.Stamps()) > 0
	for _, sec := range state.Sections {
		var wrong []string
		say := func(format string, args ...any) {
			wrong = append(wrong, sec.Place.String()+": "+fmt.Sprintf(format, args...))
		}
		jumps, redirects, exempt := false, false, false
		for n, r := range sec.Rules {
			jumps = jumps || r.Jump != ""
			redirects = redirects || r.Verdict.Kind == plan.Redirect && r.Other == ""
			exempt = exempt || len(r.Match.UID)+len(r.Match.GID) > 0
			switch {
			case r.NotUnderstood != "":
				say("rule %d is not shunt's: %s", n+1, r.NotUnderstood)
			case r.Other != "":
				say("rule %d is not shunt's: %s: %s", n+1, shorten(r.Match.String()), r.Other)
			case stamped && r.Foreign():
				say("rule %d is not shunt's: %s: %s", n+1, shorten(r.Match.String()), r.Verdict)
			}
		}
		if more := len(wrong) - fewRules; more > 0 {
			wrong = append(wrong[:fewRules], fmt.Sprintf("%s: and %d more", sec.Place, more))
		}
		switch out := sec.Hook == apply.Output || strings.HasSuffix(sec.Chain, "OUTPUT"); {
		case sec.Chain == "" || jumps:
		case !redirects:
			say("no rule redirects")
		case out && !exempt:
			say("no rule exempts the proxy: its own connections loop back to it forever")
		}
		all = append(all, wrong...)
	}
	for _, d := range []plan.Direction{plan.Inbound, plan.Outbound} {
		if !slices.ContainsFunc(state.Sections, func(sec apply.Section) bool { return sec.Hook == apply.HookOf(d) }) {
			all = append(all, "nothing leads "+d.String()+" connections to shunt's rules")
		}
	}
	return all
}

// against notes what stands against a namespace, and lowers the verdict.
func (s *Status) against(verdict Condition, why string) {
	order := []Condition{InOrder, LookAtIt, NotInOrder, NoRules}
	if slices.Index(order, verdict) > slices.Index(order, s.Verdict) {
		s.Verdict = verdict
	}
	s.Why = append(s.Why, why)
}

func (s *Status) next(steps ...string) {
	for _, step := range steps {
		if !slices.Contains(s.Next, step) {
			s.Next = append(s.Next, step)
		}
	}
}
