package repair

import (
	"slices"

	"shunt/apply"
)

// finding is what a pod's network namespace holds.
type finding int

const (
	same      finding = iota // the rules of the plan
	older                    // the complete rules of another plan, version or program, or to the same effect
	none                     // no rules
	different                // some, and not whole
)

// find says what a comparison with the plan found.
func find(c apply.Comparison) finding {
	switch _, asWritten := c.AsWritten(); {
	case c.Equal():
		return same
	case c.Live.Empty() && len(c.Others) == 0:
		return none
	case len(c.Others) == 0 && asWritten, c.SameEffect(), c.Live.Empty() && slices.ContainsFunc(c.Others, whole):
		return older
	}
	return different
}

// whole reports whether iptables' rules cover both directions, as far as can be
// told without iptables: a pod that was started by linkerd-cni has such.
func whole(h apply.Held) bool {
	chains := 0
	for _, sec := range h.State.Sections {
		if sec.Chain == "PROXY_INIT_REDIRECT" || sec.Chain == "PROXY_INIT_OUTPUT" {
			chains++
		}
	}
	return chains >= 2
}

// action is what is done about a pod.
type action int

const (
	nothing action = iota
	write          // its rules
	tell           // people
	evict
)

// decide says what to do about a pod in which this was found, and which state it
// is in meanwhile.
func decide(started bool, f finding, mode Mode, mayEvict bool) (State, action) {
	switch {
	case f == same:
		return Ruled, nothing
	case f == older: // a value that was changed must not roll over a cluster
		return Outdated, nothing
	case !started && mode == InPlace:
		return Blocked, write
	case !started:
		return Blocked, tell
	case mayEvict:
		return Running, evict
	}
	return Running, tell
}
