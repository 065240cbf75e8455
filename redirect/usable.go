package redirect

import (
	"context"
	"errors"
	"fmt"

	"shunt/apply"
	"shunt/iptables"
)

// Usable says whether one of the backends that the configuration asks for can
// be used here, as far as reading tells: the kernel answers nf_tables queries,
// or the commands are installed. It returns the first that can. Nothing is
// written, no command is run on a table, and no lock is taken. Whether the
// kernel has every expression that the rules need is not checked.
func (r *Rules) Usable(ctx context.Context) (backend string, err error) {
	err = r.ns.Do(func() error {
		if err := raiseCaps(); err != nil {
			return err
		}
		b := &backends{Rules: r}
		defer b.close()
		var refusals []error
		for _, c := range b.candidates(ctx) {
			err := usable(ctx, c)
			if err == nil {
				backend = c.Name
				return nil
			}
			if !errors.Is(err, apply.ErrNotSupported) {
				return err
			}
			refusals = append(refusals, fmt.Errorf("%s: %w", c.Name, err))
		}
		return apply.NoBackend(refusals)
	})
	return backend, err
}

func usable(ctx context.Context, c apply.Candidate) error {
	b, err := c.Open()
	if err != nil {
		return err
	}
	if commands, ok := b.(*iptables.Backend); ok {
		return commands.Installed() // listing legacy's table would create it
	}
	_, err = b.Find(ctx)
	return err
}
