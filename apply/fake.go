package apply

import (
	"context"
	"fmt"

	"shunt/plan"
)

// Fake is a Backend in memory, for tests of what stands above backends.
type Fake struct {
	Label string
	Live  plan.State

	// ByFamily expands a plan with IPv6 to one section more.
	ByFamily bool

	// Errors are returned by the calls of that name ("Read", "Apply",
	// "Clear"), one a call in order; nil entries let the call succeed.
	Errors map[string][]error
	// Corrupt, if not nil, changes what an Apply makes live.
	Corrupt func(*plan.State)
	// Calls are the calls so far, by name.
	Calls []string
}

func (f *Fake) call(name string) error {
	f.Calls = append(f.Calls, name)
	errs := f.Errors[name]
	if len(errs) == 0 {
		return nil
	}
	f.Errors[name] = errs[1:]
	return errs[0]
}

// Name returns the label.
func (f *Fake) Name() string { return f.Label }

// Render returns the plan's hash: enough to tell plans apart.
func (f *Fake) Render(p plan.Plan) string { return p.Hash() }

// Line returns the rule in words.
func (f *Fake) Line(r plan.Rule) string {
	return fmt.Sprintf("%s: %s: %s", r.Name, r.Match, r.Verdict)
}

// Expand returns the plan as two sections, one a direction.
func (f *Fake) Expand(p plan.Plan) plan.State {
	s := plan.State{Sections: []plan.Section{
		{Name: "inbound", Rules: p.Inbound},
		{Name: "outbound", Rules: p.Outbound},
	}}
	if f.ByFamily && p.IPv6 {
		s.Sections = append(s.Sections, plan.Section{Name: "IPv6", Rules: p.Inbound})
	}
	return s
}

// Read returns Live.
func (f *Fake) Read(context.Context) (plan.State, error) {
	if err := f.call("Read"); err != nil {
		return plan.State{}, err
	}
	return f.Live, nil
}

// Apply makes the plan live, in one commit.
func (f *Fake) Apply(_ context.Context, p plan.Plan) (int, error) {
	if err := f.call("Apply"); err != nil {
		return 0, err
	}
	f.Live = f.Expand(p)
	if f.Corrupt != nil {
		f.Corrupt(&f.Live)
	}
	return 1, nil
}

// Clear makes nothing live, in one commit.
func (f *Fake) Clear(context.Context) (int, error) {
	if err := f.call("Clear"); err != nil {
		return 0, err
	}
	f.Live = plan.State{}
	return 1, nil
}
