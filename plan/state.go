package plan

import "errors"

// State is a rule set in one backend's shape: a plan as that backend would
// hold it, or what the kernel holds of what shunt owns. An empty State means
// that nothing of ours is there.
type State struct {
	Sections []Section
}

// Section is one place that holds rules of ours: an nftables chain, an
// iptables chain, or our jumps within a chain that belongs to others.
type Section struct {
	Name  string   // "inet shunt inbound", "ip nat PROXY_INIT_REDIRECT"
	Spec  string   // what else must be right: "type nat hook prerouting priority -100; policy accept;"
	Rules []Rule   // in order
	Stray []string // what is in it and should not be, a line each

	// Unused is what is in it and acts on nothing: a set whose rule is gone.
	// It is a difference, and worth showing only where it is the only one.
	Unused []string
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

// ErrStale is wrapped by a backend's Apply or Clear when somebody else changed
// the rules since its Read. Nothing was written by the commit that it refused.
var ErrStale = errors.New("the rules changed since they were read")

// ErrNotSupported is wrapped by a backend whose commands or kernel features
// are not there. Nothing was written.
var ErrNotSupported = errors.New("not supported here")
