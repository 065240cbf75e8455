package apply

import (
	"context"
	"errors"
	"fmt"
)

// Clear removes everything that shunt owns, on every backend, and returns the
// owners that had something.
func (e *Engine) Clear(ctx context.Context) (commits int, cleared []ID, err error) {
	owners, err := e.Owners()
	if err != nil {
		return 0, nil, err
	}
	for _, o := range owners {
		n, found, err := e.remove(ctx, o, func() {}) // nothing is to take its place
		commits += n
		if err != nil {
			return commits, cleared, err
		}
		if found {
			cleared = append(cleared, o.ID())
		}
	}
	return commits, cleared, nil
}

// remove clears one owner and makes sure that it is empty. If there is anything
// to clear, settle is called first.
func (e *Engine) remove(ctx context.Context, o Owner, settle func()) (commits int, found bool, err error) {
	err = e.again(ctx, fmt.Sprintf("remove the rules of %s", o.ID()), func() (bool, error) {
		have, err := o.Find(ctx)
		if errors.Is(err, ErrNotSupported) {
			return true, nil // a backend that cannot be used here has no rules here
		}
		if err != nil {
			return false, fmt.Errorf("look for rules of %s: %w", o.ID(), err)
		}
		if have.State().Empty() {
			return true, nil
		}
		if !found {
			settle()
		}
		found = true
		n, err := o.Clear(ctx, have)
		commits += n
		if err != nil && !errors.Is(err, ErrStale) {
			return false, fmt.Errorf("remove the rules of %s: %w", o.ID(), err)
		}
		return false, nil
	})
	return commits, found, err
}
