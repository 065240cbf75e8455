package apply

import "shunt/plan"

// Rule is a rule as one backend holds it: a planned rule in that backend's
// shape, or one that the kernel has.
type Rule struct {
	plan.Rule

	// Jump, if not empty, is the chain of the same table in which what matches
	// goes on. Verdict then says nothing.
	Jump string

	// Other, if not empty, is a verdict that shunt never writes, in the words
	// of the backend's own tool. Verdict then says nothing.
	Other string

	// NotUnderstood is what a reader could not make sense of, in the words of
	// the backend's own tool. Such a rule equals none, not even itself, and
	// holds for no connection.
	NotUnderstood string

	// Stamp is what the rule says of its origin, mostly nothing. It is not part
	// of what a rule means.
	Stamp Stamp

	// Counter is what the kernel counted; nil where nothing was read.
	Counter *Counter
}

// Counter holds a live rule's counts. In a nat chain the kernel counts the
// first packet of each connection only.
type Counter struct {
	Packets, Bytes uint64
}

// Equal reports whether two rules mean the same and carry the same name.
// Counters, stamps and reasons do not count.
func (r Rule) Equal(o Rule) bool {
	return r.NotUnderstood == "" && o.NotUnderstood == "" &&
		r.Jump == o.Jump && r.Other == o.Other && r.Rule.Equal(o.Rule)
}

// Decide returns the index of the first rule that holds for a flow, or -1.
func Decide(rules []Rule, f plan.Flow) int {
	for i, r := range rules {
		if r.NotUnderstood == "" && r.Match.Holds(f) {
			return i
		}
	}
	return -1
}
