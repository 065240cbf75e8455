// Package redirect holds the rules of one network namespace, ready to use: it
// raises the capabilities that rules need, takes the namespace's lock, chooses
// the backend, and hands the rest to package apply. The verbs, the plugin and
// the agent call it; none of them knows a backend.
package redirect

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/nftables"
	"shunt/plan"
)

// Untouched is an error that came before anything was changed.
type Untouched struct{ Err error }

func (u Untouched) Error() string { return u.Err.Error() }

func (u Untouched) Unwrap() error { return u.Err }

// IsUntouched reports whether an error came before anything was changed.
func IsUntouched(err error) bool { return errors.As(err, &Untouched{}) }

// Options say how to work. The zero value is that of `shunt init` in a pod.
type Options struct {
	Version string       // of the program, for the stamp in the rules
	Log     *slog.Logger // nil: none

	// Idle says that nothing connects in the namespace yet, as during a CNI
	// ADD: new rules then take one commit less.
	Idle bool

	// Secure: commands are looked for in the system's folders only, and nothing
	// of the environment reaches them, as for a plugin.
	Secure bool

	// Thorough looks for legacy iptables rules even where looking creates the
	// table, because nothing else tells whether there are any.
	Thorough bool

	// Locks is the folder of the node's locks, "": LockFolder. MakeLocks makes
	// it, for the plugin and the agent; otherwise it is used where it is.
	Locks     string
	MakeLocks bool

	// HostNetwork lets Apply and Clear work even in the host's own namespace.
	HostNetwork bool

	// NoteLevel is the level at which the choice of the backend is logged.
	NoteLevel slog.Level
}

// Rules are the rules that one configuration asks for in one network namespace.
// Nothing is kept between two calls but what Open was given: each enters the
// namespace, does its work on a thread of its own and leaves it.
type Rules struct {
	ns   *netns.NS
	cfg  config.Config
	plan plan.Plan
	opt  Options
}

// Open returns the rules of a validated configuration in a namespace, without
// touching either. The caller closes the namespace when it is done with the
// rules.
func Open(ns *netns.NS, cfg config.Config, o Options) *Rules {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Rules{ns: ns, cfg: cfg, plan: plan.Build(cfg), opt: o}
}

// Apply makes the rules live, verifies them, removes what other backends hold
// of ours, and sets the close-wait timeout if the configuration has one. Its
// error is Untouched if nothing was changed.
func (r *Rules) Apply(ctx context.Context) (res apply.Result, err error) {
	err = r.writing(ctx, func(e *apply.Engine) (changed bool, err error) {
		if err := checkCloseWait(r.cfg.CloseWait); err != nil {
			return false, err
		}
		res, err = e.Apply(ctx, r.plan)
		if errors.Is(err, iptables.ErrTooManyRules) || errors.Is(err, nftables.ErrTooManyRanges) {
			err = &config.InputError{Err: err}
		}
		if err != nil {
			return res.Commits > 0, err
		}
		return true, setCloseWait(r.cfg.CloseWait)
	})
	return res, err
}

// Compare compares what is live with the rules. It takes no lock and writes
// nothing.
func (r *Rules) Compare(ctx context.Context) (c apply.Comparison, err error) {
	err = r.inside(func(b *backends) (bool, error) {
		c, err = b.engine(ctx).Compare(ctx, r.plan)
		return false, err
	})
	return c, err
}

// Clear removes everything that shunt owns in the namespace, and returns the
// number of commits and the owners that had something.
func (r *Rules) Clear(ctx context.Context) (commits int, cleared []apply.ID, err error) {
	err = r.writing(ctx, func(e *apply.Engine) (bool, error) {
		commits, cleared, err = e.Clear(ctx)
		return commits > 0, err
	})
	return commits, cleared, err
}

// PlanHash names the plan that the rules are for.
func (r *Rules) PlanHash() string { return r.plan.Hash() }

// writing runs f with an engine in the namespace, under its lock. It refuses the
// host's namespace.
func (r *Rules) writing(ctx context.Context, f func(*apply.Engine) (changed bool, err error)) error {
	if !r.opt.HostNetwork {
		if err := refuseHost(r.ns); err != nil {
			return Untouched{err}
		}
	}
	return r.inside(func(b *backends) (bool, error) {
		defer b.takeLock(ctx)()
		return f(b.engine(ctx))
	})
}

// inside runs f in the namespace, with the network capabilities raised. Readers
// take no lock: what a backend reads is consistent by itself. The error of a run
// that changed nothing is Untouched.
func (r *Rules) inside(f func(*backends) (changed bool, err error)) error {
	changed := false
	err := r.ns.Do(func() error {
		if err := raiseCaps(); err != nil {
			return err
		}
		b := &backends{Rules: r}
		defer b.close()
		var err error
		changed, err = f(b)
		return err
	})
	if err != nil && !changed {
		return Untouched{err}
	}
	return err
}

// lockWait is the configured wait in whole seconds, rounded up.
func (r *Rules) lockWait() int {
	return int((r.cfg.LockTimeout + time.Second - 1) / time.Second)
}
