package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"shunt/netns"
	"shunt/plan"
)

// Engine applies plans in one namespace. The caller is on a thread that is in
// that namespace and holds the namespace's lock.
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

	Log *slog.Logger
}

// Candidate is a backend that may be chosen.
type Candidate struct {
	Name   string
	Reason string // why it stands at this place in the order
	Open   func() (Backend, error)
}

// Result says what an Apply did.
type Result struct {
	Backend  string
	Reason   string   // why this backend
	Commits  int      // commits and restores that changed the kernel's rules
	Rules    int      // rules that are live now
	Changed  bool     // false: the rules were already right
	Replaced bool     // there were rules of ours before
	Removed  []string // other owners whose rules were removed
	IPv6     bool     // the live rules cover IPv6
}

// maxTries bounds how often a change is attempted while others change rules.
const maxTries = 20

// Apply makes the plan live with the first candidate that can, verifies it,
// and removes what every other owner has.
func (e *Engine) Apply(ctx context.Context, p plan.Plan) (Result, error) {
	res, b, err := e.choose(ctx, p)
	if p.IPv6 && errors.Is(err, plan.ErrNotSupported) {
		res, b, err = e.withoutIPv6(ctx, p, err)
	}
	if err != nil {
		return res, err
	}
	owners, err := e.Owners()
	if err != nil {
		return res, err
	}
	for _, o := range owners {
		if o.Name() == b.Name() {
			continue
		}
		n, found, err := remove(ctx, o, netns.Settle)
		res.Commits += n
		if err != nil {
			return res, fmt.Errorf("the rules are live on %s, but rules of %s stand beside them and take away their bypasses: %w", b.Name(), o.Name(), err)
		}
		if found {
			res.Removed = append(res.Removed, o.Name())
			res.Changed = true
			e.Log.Info("removed rules left by another backend", "backend", o.Name())
		}
	}
	return res, nil
}

// choose tries the candidates in order.
func (e *Engine) choose(ctx context.Context, p plan.Plan) (Result, Backend, error) {
	var refusals []error
	for _, c := range e.Candidates {
		b, err := c.Open()
		var res Result
		if err == nil {
			res, err = applyWith(ctx, b, p)
		}
		if err == nil {
			res.Backend, res.Reason = b.Name(), c.Reason
			return res, b, nil
		}
		if !errors.Is(err, plan.ErrNotSupported) {
			return res, nil, err
		}
		refusals = append(refusals, fmt.Errorf("%s: %w", c.Name, err))
		if len(e.Candidates) > 1 {
			e.Log.Info("backend cannot be used, trying the next", "backend", c.Name, "reason", err)
		}
	}
	if len(refusals) == 1 {
		return Result{}, nil, refusals[0]
	}
	return Result{}, nil, &noBackend{refusals}
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

// withoutIPv6 is the one exception to covering IPv6: a kernel that cannot
// translate IPv6 addresses, in a namespace that has none to translate.
func (e *Engine) withoutIPv6(ctx context.Context, p plan.Plan, refused error) (Result, Backend, error) {
	p.IPv6, p.Exception = false, plan.WithoutIPv6NAT
	has, err := e.HasGlobalIPv6()
	if err != nil {
		return Result{}, nil, errors.Join(refused, err)
	}
	if has {
		return Result{}, nil, fmt.Errorf("%w (the namespace has an IPv6 address, so rules for IPv4 alone would let its traffic pass the proxy: give the node IPv6 NAT, or set ipv6 to false to leave IPv6 alone)", refused)
	}
	res, b, err := e.choose(ctx, p)
	if err != nil {
		return res, nil, refused
	}
	e.Log.Warn("exception "+plan.WithoutIPv6NAT+": this kernel has no usable IPv6 NAT, and the namespace no IPv6 address beyond link-local: rules are written for IPv4 only", "reason", refused)
	return res, b, nil
}

// applyWith reads, replaces and verifies with one backend.
func applyWith(ctx context.Context, b Backend, p plan.Plan) (res Result, err error) {
	want := b.Expand(p)
	res.IPv6 = p.IPv6
	for _, s := range want.Sections {
		res.Rules += len(s.Rules)
	}
	have, err := b.Read(ctx)
	if err != nil {
		return res, err
	}
	res.Replaced = !have.Empty()
	for range maxTries {
		if have.Equal(want) {
			return res, nil
		}
		n, err := b.Apply(ctx, p)
		res.Commits += n
		res.Changed = res.Changed || n > 0
		if err != nil && !errors.Is(err, plan.ErrStale) {
			return res, err
		}
		stale := err != nil
		if have, err = b.Read(ctx); err != nil {
			return res, fmt.Errorf("read back: %w", err)
		}
		if !stale && !have.Equal(want) {
			return res, &Unverified{Backend: b.Name(), Diff: Diff(have, want, b.Line)}
		}
	}
	return res, fmt.Errorf("apply: the rules were changed by somebody else in each of %d attempts: find out what rewrites them without pause", maxTries)
}

// Unverified is the error of a commit that the kernel accepted and that does
// not read back as the plan.
type Unverified struct {
	Backend string
	Diff    string // unified, live against plan
}

func (u *Unverified) Error() string {
	return fmt.Sprintf("verify: the kernel accepted the rules of %s but holds others (shunt diff shows them): something else may be writing them", u.Backend)
}

// remove clears one owner and makes sure that it is empty. If there is anything
// to clear, settle is called first.
func remove(ctx context.Context, o Owner, settle func()) (commits int, found bool, err error) {
	for range maxTries {
		have, err := o.Read(ctx)
		if errors.Is(err, plan.ErrNotSupported) {
			return commits, found, nil // where it cannot be, it is not
		}
		if err != nil {
			return commits, found, fmt.Errorf("look for rules of %s: %w", o.Name(), err)
		}
		if have.Empty() {
			return commits, found, nil
		}
		if !found {
			settle()
		}
		found = true
		n, err := o.Clear(ctx)
		commits += n
		if err != nil && !errors.Is(err, plan.ErrStale) {
			return commits, found, fmt.Errorf("remove rules of %s: %w", o.Name(), err)
		}
	}
	return commits, found, fmt.Errorf("remove rules of %s: they came back in each of %d attempts", o.Name(), maxTries)
}

// Clear removes everything that shunt owns, on every backend, and returns the
// owners that had something.
func (e *Engine) Clear(ctx context.Context) (commits int, cleared []string, err error) {
	owners, err := e.Owners()
	if err != nil {
		return 0, nil, err
	}
	for _, o := range owners {
		n, found, err := remove(ctx, o, func() {}) // nothing is to take its place
		commits += n
		if err != nil {
			return commits, cleared, err
		}
		if found {
			cleared = append(cleared, o.Name())
		}
	}
	return commits, cleared, nil
}
