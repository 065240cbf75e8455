package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"shunt/plan"
)

// Engine applies plans in one namespace. The caller is on a thread that is in
// that namespace.
type Engine struct {
	// Candidates are the backends to try, in order. The next is tried only
	// when one is not supported; what was asked for by name stands alone.
	Candidates []Candidate

	// Owners are all places where rules of ours can be, those of the
	// candidates included.
	Owners func() ([]Owner, error)

	// HasGlobalIPv6 reports whether the namespace has an IPv6 address other
	// than link-local and loopback.
	HasGlobalIPv6 func() (bool, error)

	// Settle returns once every packet that was on its way through the rules when
	// it was called has left them: rules that have been replaced by others may
	// then be deleted.
	Settle func()

	// Version is the program's, for the stamp.
	Version string

	// Patience bounds how long a change is retried while somebody else keeps
	// changing the rules; 0 means 5 s.
	Patience time.Duration

	Log *slog.Logger
}

// Candidate is a backend that may be chosen.
type Candidate struct {
	Name   string
	Reason string // why it is at this place in the order
	Open   func() (Backend, error)
}

// Result says what an Apply did.
type Result struct {
	Backend  ID
	Reason   string // why this backend
	Commits  int    // commits and restores that changed the kernel's rules
	Rules    int    // rules that are live now
	Changed  bool   // false: the rules were already right
	Replaced bool   // there were rules of ours before
	Removed  []ID   // other owners whose rules were removed
	IPv6     bool   // the live rules cover IPv6
	Bypassed bool   // they do not because the plan leaves IPv6 alone, and the namespace has an IPv6 address
}

// Apply makes the plan live with the first candidate that can, verifies it,
// and removes what every other owner has.
func (e *Engine) Apply(ctx context.Context, p plan.Plan) (Result, error) {
	want := Desired{Plan: p, Stamp: Stamp{Version: e.Version, Plan: p.Hash()}}
	res, err := e.choose(ctx, want)
	if p.IPv6 && errors.Is(err, ErrNotSupported) {
		res, err = e.withoutIPv6(ctx, want, err)
	}
	if err != nil {
		return res, err
	}
	owners, err := e.Owners()
	if err != nil {
		return res, err
	}
	for _, o := range owners {
		if o.ID() == res.Backend {
			continue
		}
		n, found, err := e.remove(ctx, o, e.Settle)
		res.Commits += n
		if err != nil {
			return res, fmt.Errorf("the rules are live on %s, but there are rules of %s beside them, which undo their bypasses: %w", res.Backend, o.ID(), err)
		}
		if found {
			res.Removed = append(res.Removed, o.ID())
			res.Changed = true
			e.Log.Info("removed rules left by another backend", "backend", o.ID())
		}
	}
	if !p.IPv6 {
		if res.Bypassed, err = e.HasGlobalIPv6(); err != nil {
			e.Log.Warn("cannot tell whether the namespace has an IPv6 address, whose connections would bypass the proxy", "error", err)
		}
	}
	return res, nil
}

// choose tries the candidates in order.
func (e *Engine) choose(ctx context.Context, want Desired) (Result, error) {
	var refusals []error
	for _, c := range e.Candidates {
		b, err := c.Open()
		var res Result
		if err == nil {
			res, err = e.replace(ctx, b, want)
			res.Reason = c.Reason
		}
		if err == nil {
			return res, nil
		}
		if !errors.Is(err, ErrNotSupported) {
			return res, err
		}
		refusals = append(refusals, fmt.Errorf("%s: %w", c.Name, err))
		if len(e.Candidates) > 1 {
			e.Log.Info("backend cannot be used, trying the next", "backend", c.Name, "reason", err)
		}
	}
	return Result{}, NoBackend(refusals)
}

// NoBackend returns the error for when every candidate was refused: why each one
// was, on one line.
func NoBackend(refusals []error) error {
	if len(refusals) == 1 {
		return refusals[0]
	}
	return &noBackend{refusals}
}

// noBackend lists why each candidate was refused, on one line.
type noBackend struct{ refusals []error }

func (n *noBackend) Error() string {
	var all []string
	for _, r := range n.refusals {
		all = append(all, r.Error())
	}
	return "no backend can be used: " + strings.Join(all, "; ")
}

func (n *noBackend) Unwrap() []error { return n.refusals }

// ErrHalfCovered is wrapped when the kernel cannot translate IPv6 addresses
// and the namespace has some: rules for IPv4 alone would let their traffic
// bypass the proxy.
var ErrHalfCovered = errors.New("the namespace has an IPv6 address, and rules for IPv4 alone would let its traffic bypass the proxy")

// withoutIPv6 makes the one exception to covering IPv6: a kernel that cannot
// translate IPv6 addresses, in a namespace that has none to translate.
func (e *Engine) withoutIPv6(ctx context.Context, want Desired, refused error) (Result, error) {
	has, err := e.HasGlobalIPv6()
	if err != nil {
		return Result{}, fmt.Errorf("%w; and it is not known whether the namespace has an IPv6 address: %w", refused, err)
	}
	if has {
		return Result{}, fmt.Errorf("%w: %w", ErrHalfCovered, refused)
	}
	want.Plan.IPv6, want.Stamp.Exception = false, ExceptionNoIPv6NAT
	res, err := e.choose(ctx, want)
	if err != nil {
		return res, refused
	}
	e.Log.Warn("exception "+ExceptionNoIPv6NAT+": this kernel has no usable IPv6 NAT, and the namespace has no IPv6 address beyond link-local: rules are written for IPv4 only", "reason", refused)
	return res, nil
}

// again calls try until it reports that it is done, or until somebody else has
// kept changing the rules for too long.
func (e *Engine) again(ctx context.Context, doing string, try func() (done bool, err error)) error {
	patience := cmp.Or(e.Patience, 5*time.Second)
	for start := time.Now(); ; {
		done, err := try()
		switch {
		case err != nil || done:
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%s: somebody else keeps changing the rules: %w", doing, context.Cause(ctx))
		case time.Since(start) > patience:
			return fmt.Errorf("%s: timed out after %v because somebody else keeps changing the rules: find out what keeps rewriting them", doing, patience)
		}
	}
}
