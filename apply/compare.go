package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shunt/plan"
)

// Comparison is what is live against what is planned.
type Comparison struct {
	Backend ID // whose rules were compared
	Live    State
	Want    State
	Others  []Held // rules of ours that other owners hold and should not

	line   func(Rule) string
	expand func(plan.Plan) State
}

// Held is what one owner holds of ours.
type Held struct {
	Owner ID
	State State

	// Stamp says who wrote it, and AsWritten that it is still what that run
	// wrote (see AsWritten).
	Stamp     Stamp
	AsWritten bool
}

// Compare reads what is live and compares it with the plan. It compares with
// the candidate that has rules of ours; if none has, with the first that can
// be read. Nothing is written.
func (e *Engine) Compare(ctx context.Context, p plan.Plan) (Comparison, error) {
	b, have, err := e.inUse(ctx)
	if err != nil {
		return Comparison{}, err
	}
	c := Comparison{Backend: b.ID(), Live: have, Want: b.Expand(p), line: b.Line, expand: b.Expand}
	if err := e.allowException(&c, b, p); err != nil {
		return Comparison{}, err
	}
	owners, err := e.Owners()
	if err != nil {
		return Comparison{}, err
	}
	for _, o := range owners {
		if o.ID() == c.Backend {
			continue
		}
		have, err := ReadState(ctx, o)
		if err != nil {
			return Comparison{}, err
		}
		if !have.Empty() {
			c.Others = append(c.Others, Held{Owner: o.ID(), State: have})
		}
	}
	return c, nil
}

// inUse returns the first candidate that has rules of ours; if none has, the
// first that can be read; and what it has.
func (e *Engine) inUse(ctx context.Context) (chosen Backend, live State, err error) {
	var refusals []error
	for _, c := range e.Candidates {
		b, err := c.Open()
		var have Snapshot
		if err == nil {
			have, err = b.Read(ctx)
		}
		if errors.Is(err, ErrNotSupported) {
			refusals = append(refusals, fmt.Errorf("%s: %w", c.Name, err))
			continue
		}
		if err != nil {
			return nil, State{}, err
		}
		if !have.State().Empty() {
			return b, have.State(), nil
		}
		if chosen == nil {
			chosen = b
		}
	}
	if chosen == nil {
		return nil, State{}, NoBackend(refusals)
	}
	return chosen, live, nil
}

// ReadState returns what an owner holds; nothing, where it cannot be used.
func ReadState(ctx context.Context, o Owner) (State, error) {
	s, err := o.Read(ctx)
	if errors.Is(err, ErrNotSupported) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("look for rules of %s: %w", o.ID(), err)
	}
	return s.State(), nil
}

// allowException lets rules without IPv6 count as the plan where Apply made the
// exception for them: they say so, and that it was this plan, and there is still
// no IPv6 address whose traffic they would miss.
func (e *Engine) allowException(c *Comparison, b Backend, p plan.Plan) error {
	excepted := func(s Stamp) bool { return s.Plan == p.Hash() && s.Exception == ExceptionNoIPv6NAT }
	if !p.IPv6 || c.Live.Equal(c.Want) || !slices.ContainsFunc(c.Live.Stamps(), excepted) {
		return nil
	}
	p.IPv6 = false
	want := b.Expand(p)
	if !c.Live.Equal(want) {
		return nil
	}
	has, err := e.HasGlobalIPv6()
	if err != nil || has {
		return err
	}
	c.Want = want
	e.Log.Warn("exception " + ExceptionNoIPv6NAT + ": when the rules were applied the kernel had no usable IPv6 NAT; they are for IPv4 only, and the namespace has no IPv6 address beyond link-local")
	return nil
}

// Equal reports whether the plan, and nothing else of ours, is live.
func (c Comparison) Equal() bool { return len(c.Others) == 0 && c.Live.Equal(c.Want) }

// AsWritten reports whether what is live is complete, and of the plan that its own
// stamp names, whether or not that is the plan compared with.
func (c Comparison) AsWritten() (Stamp, bool) {
	stamp, ok := AsWritten(c.Live, c.expand)
	return stamp, ok && len(c.Others) == 0
}

// Text returns a unified diff, empty without a difference.
func (c Comparison) Text() string {
	var b strings.Builder
	b.WriteString(Diff(c.Live, c.Want, c.line))
	for _, o := range c.Others {
		b.WriteString(Diff(o.State, State{}, c.line))
	}
	return b.String()
}

// Changes returns the differences for programs.
func (c Comparison) Changes() []Change {
	out := Changes(c.Live, c.Want, c.line)
	for _, o := range c.Others {
		out = append(out, Changes(o.State, State{}, c.line)...)
	}
	return out
}
