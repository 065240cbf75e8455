package apply

import (
	"slices"

	"shunt/plan"
)

// State is a rule set in one backend's shape: a plan as that backend would
// hold it, or what the kernel holds of what shunt owns. An empty State means
// that nothing of ours is there.
type State struct {
	Sections []Section
}

// Section is one place that holds rules of ours: an nftables chain, an
// iptables chain, or our jumps within a chain that belongs to others.
type Section struct {
	Place
	Hook  Hook     // where packets enter the chain, if it is a base chain
	Spec  string   // what else must be right: "type nat hook prerouting priority -100; policy accept;"
	Rules []Rule   // in order
	Stray []string // what is in it and should not be, a line each

	// Unused is what is in it and acts on nothing: a set that no rule reads.
	// It is a difference, and worth showing only where it is the only one.
	Unused []string
}

// Place names a chain, or a table as a whole.
type Place struct {
	Family plan.Family // Any: IPv4 and IPv6 at once, nftables' inet
	Table  string
	Chain  string // empty: the table itself
}

// String returns the place as nft writes it: "inet shunt inbound".
func (p Place) String() string {
	s := "inet"
	if p.Family != plan.Any {
		s = p.Family.String()
	}
	s += " " + p.Table
	if p.Chain != "" {
		s += " " + p.Chain
	}
	return s
}

// Hook is where the kernel hands packets to a base chain.
type Hook uint8

// The hooks that decide about a pod's connections, and those that do not.
const (
	NoHook     Hook = iota // not a base chain: packets come by a jump
	Prerouting             // what comes in
	Output                 // what the namespace itself sends
	OtherHook
)

// HookOf returns the hook that connections of a direction meet.
func HookOf(d plan.Direction) Hook {
	if d == plan.Outbound {
		return Output
	}
	return Prerouting
}

// Empty reports whether nothing of ours is there.
func (s State) Empty() bool { return len(s.Sections) == 0 }

// Equal reports whether two states hold the same rules in the same order in
// the same places.
func (s State) Equal(o State) bool {
	return slices.EqualFunc(s.Sections, o.Sections, Section.Equal)
}

// Equal reports whether two sections are the same. A stray or unused line in
// either is a difference.
func (s Section) Equal(o Section) bool {
	return s.Place == o.Place && s.Spec == o.Spec && len(s.Stray)+len(s.Unused)+len(o.Stray)+len(o.Unused) == 0 &&
		slices.EqualFunc(s.Rules, o.Rules, Rule.Equal)
}

// WithoutUnused returns the state without what acts on nothing.
func (s State) WithoutUnused() State {
	var out State
	for _, sec := range s.Sections {
		sec.Unused = nil
		if len(sec.Rules)+len(sec.Stray) > 0 || sec.Spec != "" {
			out.Sections = append(out.Sections, sec)
		}
	}
	return out
}

// Stamps returns what the state's rules say of their origin, each stamp once,
// in the order in which they are met.
func (s State) Stamps() []Stamp {
	var out []Stamp
	for _, sec := range s.Sections {
		for _, r := range sec.Rules {
			if r.Stamp != (Stamp{}) && !slices.Contains(out, r.Stamp) {
				out = append(out, r.Stamp)
			}
		}
	}
	return out
}
