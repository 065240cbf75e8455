package apply

import (
	"context"
	"fmt"
	"slices"

	"shunt/plan"
)

// Fake is a Backend in memory, for tests of the layers above. It behaves like one:
// it takes only snapshots of its own, and only while they show what is live.
type Fake struct {
	Label ID
	Live  State

	// Unsupported makes every call fail with ErrNotSupported; UnsupportedIPv6
	// that of a plan with IPv6.
	Unsupported, UnsupportedIPv6 bool

	// ByFamily gives a plan with IPv6 one more section.
	ByFamily bool

	// Before, if not nil, is called at the start of each call by its name
	// ("Read", "Find", "Apply", "Clear"). It may change Live through Write, as
	// somebody else would; its error is the call's.
	Before func(call string) error

	// Corrupt, if not nil, changes what an Apply makes live.
	Corrupt func(*State)

	// Calls are the calls so far, by name.
	Calls []string

	generation int
}

// fakeSnapshot is what a Fake held at one generation.
type fakeSnapshot struct {
	of         *Fake
	generation int
	state      State
}

func (s fakeSnapshot) State() State { return s.state }

// Write makes a state live, as a commit of anybody does.
func (f *Fake) Write(s State) { f.Live, f.generation = s, f.generation+1 }

func (f *Fake) call(name string) error {
	f.Calls = append(f.Calls, name)
	if f.Unsupported {
		return ErrNotSupported
	}
	if f.Before != nil {
		return f.Before(name)
	}
	return nil
}

// current returns an error unless s is a snapshot of what is live now.
func (f *Fake) current(s Snapshot) error {
	mine, ok := s.(fakeSnapshot)
	switch {
	case !ok || mine.of != f:
		return ErrNoSnapshot
	case mine.generation != f.generation:
		return ErrStale
	}
	return nil
}

// ID returns the label.
func (f *Fake) ID() ID { return f.Label }

// Line returns the rule in words.
func (f *Fake) Line(r Rule) string {
	return fmt.Sprintf("%s: %s: %s%s", r.Name, r.Match, r.Verdict, r.NotUnderstood)
}

// Expand returns the plan as two sections, one a direction.
func (f *Fake) Expand(p plan.Plan) State { return f.expand(p, Stamp{}) }

func (f *Fake) expand(p plan.Plan, stamp Stamp) State {
	section := func(chain string, rules []plan.Rule) Section {
		s := Section{Place: Place{Table: "fake", Chain: chain}}
		for _, r := range rules {
			s.Rules = append(s.Rules, Rule{Rule: r})
		}
		if n := len(s.Rules); n > 0 {
			s.Rules[n-1].Stamp = stamp
		}
		return s
	}
	s := State{Sections: []Section{section("inbound", p.Inbound), section("outbound", p.Outbound)}}
	if f.ByFamily && p.IPv6 {
		s.Sections = append(s.Sections, section("inbound6", p.Inbound))
	}
	return s
}

// Read returns Live.
func (f *Fake) Read(context.Context) (Snapshot, error) { return f.read("Read") }

// Find returns Live.
func (f *Fake) Find(context.Context) (Snapshot, error) { return f.read("Find") }

func (f *Fake) read(call string) (Snapshot, error) {
	if err := f.call(call); err != nil {
		return nil, err
	}
	return fakeSnapshot{f, f.generation, State{Sections: slices.Clone(f.Live.Sections)}}, nil
}

// Apply makes the plan live, in one commit.
func (f *Fake) Apply(_ context.Context, s Snapshot, d Desired) (int, error) {
	if err := f.call("Apply"); err != nil {
		return 0, err
	}
	if f.UnsupportedIPv6 && d.Plan.IPv6 {
		return 0, ErrNotSupported
	}
	if err := f.current(s); err != nil {
		return 0, err
	}
	live := f.expand(d.Plan, d.Stamp)
	if f.Corrupt != nil {
		f.Corrupt(&live)
	}
	f.Write(live)
	return 1, nil
}

// Clear makes nothing live, in one commit.
func (f *Fake) Clear(_ context.Context, s Snapshot) (int, error) {
	if err := f.call("Clear"); err != nil {
		return 0, err
	}
	if err := f.current(s); err != nil {
		return 0, err
	}
	f.Write(State{})
	return 1, nil
}
