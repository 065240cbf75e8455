package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"shunt/plan"
)

// Comparison is what is live against what is planned.
type Comparison struct {
	Backend string // whose rules were compared
	Live    plan.State
	Want    plan.State
	Beside  []Beside // rules of ours that other backends hold and should not

	line func(plan.Rule) string
}

// Beside is what another owner has.
type Beside struct {
	Owner string
	State plan.State
}

// Compare reads what is live and compares it with the plan. It compares with
// the candidate that has rules of ours; if none has, with the first that can
// be read.
func (e *Engine) Compare(ctx context.Context, p plan.Plan) (Comparison, error) {
	var chosen *Comparison
	var expand func(plan.Plan) plan.State // by the backend of the chosen one
	var refusals []error
	for _, c := range e.Candidates {
		b, err := c.Open()
		var have plan.State
		if err == nil {
			have, err = b.Read(ctx)
		}
		if errors.Is(err, plan.ErrNotSupported) {
			refusals = append(refusals, fmt.Errorf("%s: %w", c.Name, err))
			continue
		}
		if err != nil {
			return Comparison{}, err
		}
		if chosen == nil || !have.Empty() {
			chosen = &Comparison{Backend: b.Name(), Live: have, Want: b.Expand(p), line: b.Line}
			expand = b.Expand
		}
		if !have.Empty() {
			break
		}
	}
	if chosen == nil {
		return Comparison{}, &noBackend{refusals}
	}
	if err := e.allowException(chosen, p, expand); err != nil {
		return Comparison{}, err
	}
	owners, err := e.Owners()
	if err != nil {
		return Comparison{}, err
	}
	for _, o := range owners {
		if o.Name() == chosen.Backend {
			continue
		}
		have, err := o.Read(ctx)
		if errors.Is(err, plan.ErrNotSupported) {
			continue
		}
		if err != nil {
			return Comparison{}, fmt.Errorf("look for rules of %s: %w", o.Name(), err)
		}
		if !have.Empty() {
			chosen.Beside = append(chosen.Beside, Beside{o.Name(), have})
		}
	}
	return *chosen, nil
}

// allowException lets rules without IPv6 count as the plan where Apply took the
// exception for them: they say so, and that it was this plan, and there is still
// no IPv6 address whose traffic they would miss.
func (e *Engine) allowException(c *Comparison, p plan.Plan, expand func(plan.Plan) plan.State) error {
	if !p.IPv6 || c.Live.Equal(c.Want) || !c.Live.WrittenFor(p, plan.WithoutIPv6NAT) {
		return nil
	}
	p.IPv6 = false
	want := expand(p)
	if !c.Live.Equal(want) {
		return nil
	}
	has, err := e.HasGlobalIPv6()
	if err != nil || has {
		return err
	}
	c.Want = want
	e.Log.Warn("exception " + plan.WithoutIPv6NAT + ": when the rules were applied the kernel had no usable IPv6 NAT; they are for IPv4 only, and the namespace has no IPv6 address beyond link-local")
	return nil
}

// Equal reports whether the plan, and nothing else of ours, is live.
func (c Comparison) Equal() bool { return len(c.Beside) == 0 && c.Live.Equal(c.Want) }

// Text returns a unified diff, empty without a difference.
func (c Comparison) Text() string {
	var b strings.Builder
	b.WriteString(Diff(c.Live, c.Want, c.line))
	for _, o := range c.Beside {
		b.WriteString(Diff(o.State, plan.State{}, c.line))
	}
	return b.String()
}

// Changes returns the differences for programs.
func (c Comparison) Changes() []Change {
	out := Changes(c.Live, c.Want, c.line)
	for _, o := range c.Beside {
		out = append(out, Changes(o.State, plan.State{}, c.line)...)
	}
	return out
}
