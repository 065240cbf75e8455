// Package iptables holds shunt's rules in the nat table of iptables, in its
// legacy or its nf_tables variant. It renders rules to the text of
// iptables-save, reads that text back, and commits with iptables-restore
// --noflush, once per address family. It works in the network namespace of
// the calling thread, which its child processes inherit.
package iptables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"

	"shunt/plan"
)

// The modes name the commands that are used: iptables-legacy-restore,
// iptables-nft-restore, or plain iptables-restore, whichever variant the
// distribution made of it.
const (
	ModeLegacy = "legacy"
	ModeNFT    = "nft"
	ModePlain  = "plain"
)

// Options say how a Backend works.
type Options struct {
	Mode string // ModeLegacy, ModeNFT or ModePlain

	// Stamp is added to the comment of the last rule in each of our chains:
	// who wrote the rules, and for which plan. It never makes a difference.
	Stamp string

	// WaitSeconds bounds the wait for the xtables lock, at least 1: with 0
	// some versions wait for ever (iptables-legacy 1.8.9 does).
	WaitSeconds int

	// Leftovers: the backend is asked only for what others may have left, and
	// NoIPv6: IPv6 is off. Where the kernel does not tell us whether a legacy
	// table exists, it is then taken as absent (NoIPv6: that of IPv6), because
	// looking at it would make it.
	Leftovers, NoIPv6 bool

	// HasNAT, if not nil, reports whether nf_tables holds a family's nat table.
	// Where it holds none no command has to be started to find that out.
	HasNAT func(plan.Family) (bool, error)

	// Lookup finds a command by its name, nil: FindCommand.
	Lookup func(name string) (path string, err error)

	// Children, if not nil, gets every child process before it is started.
	Children func(*exec.Cmd)

	Log *slog.Logger // nil: none
}

// Backend holds rules in iptables. It implements apply.Backend. Its methods
// belong on one goroutine that is locked to a thread in the namespace.
type Backend struct {
	opt      Options
	variants [2]string  // of each family, once known: ModeLegacy or ModeNFT
	live     *[2]*table // what the last Read saw; nil once it was acted upon
	warned   bool       // that others' rules lead to our chains
}

// New returns a backend. It looks for no command yet.
func New(o Options) (*Backend, error) {
	switch o.Mode {
	case ModeLegacy, ModeNFT, ModePlain:
	default:
		return nil, fmt.Errorf("iptables mode %q is not one of legacy, nft, plain", o.Mode)
	}
	o.WaitSeconds = max(o.WaitSeconds, 1)
	if o.Lookup == nil {
		o.Lookup = FindCommand
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Backend{opt: o}, nil
}

// families is the order of every commit and of every state.
func families() [2]plan.Family { return [2]plan.Family{plan.IPv4, plan.IPv6} }

// Name returns "iptables-legacy" or "iptables-nft". In plain mode it returns
// "iptables" until a Read, Apply or Clear had to find out which one it is.
func (b *Backend) Name() string {
	variant := b.opt.Mode
	if variant == ModePlain {
		variant = b.variants[0]
	}
	if variant == "" {
		return "iptables"
	}
	return "iptables-" + variant
}

// Read returns what the kernel holds of what shunt owns: our two chains, and
// whatever leads to them from PREROUTING and OUTPUT. It starts one child a
// family, and none for a table that is known not to exist yet.
func (b *Backend) Read(ctx context.Context) (plan.State, error) {
	b.live = nil
	var live [2]*table
	var state plan.State
	for i, fam := range families() {
		t, err := b.readFamily(ctx, fam)
		if err != nil {
			return plan.State{}, fmt.Errorf("read %v nat: %w", fam, err)
		}
		live[i] = t
		state.Sections = append(state.Sections, t.sections(fam)...)
	}
	b.live = &live
	b.warn(live)
	return state, nil
}

// warn names, once, the rules of others that lead to our chains. They are no
// drift, because we may not change them and they change nothing of ours.
func (b *Backend) warn(live [2]*table) {
	for i, fam := range families() {
		for _, line := range slices.Concat(live[i].foreign[0], live[i].foreign[1]) {
			if !b.warned {
				b.opt.Log.Warn("a rule that is not shunt's leads to a chain of shunt's; it is left alone", "family", fam.String(), "rule", line)
			}
		}
	}
	b.warned = true
}

// step is the commit of one family, and what takes it back.
type step struct {
	family   plan.Family
	from, to *table
}

// Apply replaces what the last Read returned by the plan: one commit for each
// family that differs. If the second one fails, the first one is taken back.
func (b *Backend) Apply(ctx context.Context, p plan.Plan) (commits int, err error) {
	live, err := b.take(ctx)
	if err != nil {
		return 0, err
	}
	var steps []step
	for i, fam := range families() {
		want := &table{}
		if fam == plan.IPv4 || p.IPv6 {
			want = b.planned(p, fam)
		}
		if !want.equal(live[i], fam) {
			steps = append(steps, step{fam, live[i], want})
		}
	}
	for i, s := range steps {
		if err := b.commit(ctx, s.family, s.from, s.to); err != nil {
			err = fmt.Errorf("apply %v nat: %w", s.family, err)
			if i > 0 {
				err = b.takeBack(ctx, steps[0], err)
			}
			return i, err
		}
	}
	return len(steps), kept(steps)
}

// takeBack undoes a family's commit because the other family's failed. It
// does so even if the caller gave up: half a rule set is worse than a wait.
func (b *Backend) takeBack(ctx context.Context, s step, cause error) error {
	err := b.commit(context.WithoutCancel(ctx), s.family, s.to, s.from)
	if err != nil {
		// Neither is wrapped: what they stand for promises that nothing was written.
		return fmt.Errorf("%v; putting the old %v rules back failed too, the families now differ, run init again: %v", cause, s.family, err)
	}
	return fmt.Errorf("%w; the old %v rules were put back", cause, s.family)
}

// Clear removes what the last Read returned: one commit for each family that
// has something of ours.
func (b *Backend) Clear(ctx context.Context) (commits int, err error) {
	live, err := b.take(ctx)
	if err != nil {
		return 0, err
	}
	var steps []step
	for i, fam := range families() {
		if s := (step{fam, live[i], &table{}}); len(s.from.sections(fam)) > 0 {
			if err := b.commit(ctx, fam, s.from, s.to); err != nil {
				return len(steps), fmt.Errorf("clear %v nat: %w", fam, err)
			}
			steps = append(steps, s)
		}
	}
	return len(steps), kept(steps)
}

// take hands out what the last Read saw, once: after a commit it is history.
func (b *Backend) take(ctx context.Context) (*[2]*table, error) {
	if b.live == nil {
		if _, err := b.Read(ctx); err != nil {
			return nil, err
		}
	}
	live := b.live
	b.live = nil
	return live, nil
}

// kept returns an error that names the chains that were emptied and could not
// be deleted, because somebody else's rules lead to them.
func kept(steps []step) error {
	var errs []error
	for _, s := range steps {
		for i, h := range hooks() {
			if s.from.chains[i].present && !s.to.chains[i].present && len(s.from.foreign[i]) > 0 {
				errs = append(errs, fmt.Errorf("chain %v nat %s was emptied but not deleted: %q leads to it and is not shunt's; delete that rule, then run clear again",
					s.family, h.chain, s.from.foreign[i][0]))
			}
		}
	}
	return errors.Join(errs...)
}

// commit writes one family's rules in one restore: all of it or nothing.
func (b *Backend) commit(ctx context.Context, fam plan.Family, from, to *table) error {
	text, err := script(from, to)
	if err != nil {
		return err
	}
	return b.restore(ctx, fam, text)
}
