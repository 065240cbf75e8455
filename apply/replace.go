package apply

import (
	"context"
	"errors"
	"fmt"
)

// replace reads, replaces and verifies with one backend.
func (e *Engine) replace(ctx context.Context, b Backend, d Desired) (Result, error) {
	want := b.Expand(d.Plan)
	res := Result{Backend: b.ID(), IPv6: d.Plan.IPv6}
	for _, s := range want.Sections {
		res.Rules += len(s.Rules)
	}
	have, err := b.Read(ctx)
	if err != nil {
		return res, err
	}
	res.Replaced = !have.State().Empty()
	err = e.again(ctx, "apply the rules", func() (bool, error) {
		if have.State().Equal(want) && !have.State().namesOther(d.Stamp) {
			return true, nil
		}
		n, err := b.Apply(ctx, have, d)
		res.Commits += n
		res.Changed = res.Changed || n > 0
		stale := errors.Is(err, ErrStale)
		if err != nil && !stale {
			return false, err
		}
		if have, err = b.Read(ctx); err != nil {
			return false, fmt.Errorf("read back: %w", err)
		}
		if !stale && !have.State().Equal(want) {
			return false, &Unverified{Backend: b.ID(), Diff: Diff(have.State(), want, b.Line)}
		}
		return !stale, nil
	})
	return res, err
}

// namesOther reports whether rules name another plan, or another exception from
// it, than the stamp. Which version wrote them does not count.
func (s State) namesOther(want Stamp) bool {
	for _, have := range s.Stamps() {
		if have.Plan != "" && (have.Plan != want.Plan || have.Exception != want.Exception) {
			return true
		}
	}
	return false
}

// Unverified is the error of a commit that the kernel accepted and that does
// not read back as the plan.
type Unverified struct {
	Backend ID
	Diff    string // unified, live against plan
}

func (u *Unverified) Error() string {
	return fmt.Sprintf("verify: the kernel accepted the rules of %s but holds others: something else may be writing them", u.Backend)
}
