// Package iptables holds shunt's rules in the nat table of iptables, in its
// legacy or its nf_tables variant. It renders rules to the text of
// iptables-save, reads that text back, and commits with iptables-restore
// --noflush, once per address family. It works in the network namespace of
// the calling thread, which its child processes inherit.
package iptables

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"shunt/apply"
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

	// WaitSeconds bounds the wait for the xtables lock, at least 1: with 0
	// some versions wait forever (iptables-legacy 1.8.9 does).
	WaitSeconds int

	// Leftovers: the backend is asked only for what others may have left, and
	// NoIPv6: IPv6 is off. Where the kernel does not say whether a legacy table
	// exists, it is then (with NoIPv6: the one of IPv6) assumed absent, since
	// looking would create it.
	Leftovers, NoIPv6 bool

	// HasNAT, if not nil, reports whether nf_tables holds a family's nat table.
	// Where it holds none no command has to be started to find that out.
	HasNAT func(plan.Family) (bool, error)

	// Timeout bounds each command, its wait for the lock included, as the
	// context's deadline does. 0: 5 seconds more than WaitSeconds.
	Timeout time.Duration

	// Secure: whoever started the program is not trusted with what it may do.
	// Commands are then looked for in the system's folders only, children get
	// that PATH, and XTABLES_LOCKFILE and TMPDIR do not count. It is always so
	// where the kernel says it (AT_SECURE in getauxval(3)), as of a binary with
	// file capabilities.
	Secure bool

	// Lookup finds a command by its name, nil: FindCommand or, if Secure, a look
	// into the system's folders.
	Lookup func(name string) (path string, err error)

	// Children, if not nil, gets every child process before it is started.
	Children func(*exec.Cmd)

	// Inherit are files that every child keeps open: a lock with flock(2) on one
	// of them, whose holder dies, is then held until the last child has ended.
	Inherit []*os.File

	Log *slog.Logger // nil: none
}

// Backend holds rules in iptables. It implements apply.Backend. Its methods
// belong on one goroutine that is locked to a thread in the namespace.
type Backend struct {
	opt      Options
	variants [2]string // of each family's commands: ModeLegacy or ModeNFT
	commits  int       // how many were tried: a snapshot from before one is stale
	warned   bool      // that others' rules lead to our chains
}

var _ apply.Backend = (*Backend)(nil)

// grace is how long a command may work, beyond its wait for the lock. A kill
// loses nothing: a restore commits in one piece.
const grace = 5 * time.Second

// New returns a backend. In plain mode it finds out which variant the commands
// are of, and may start one of them to ask; otherwise it looks for no command.
func New(ctx context.Context, o Options) (*Backend, error) {
	o.WaitSeconds = max(o.WaitSeconds, 1)
	if o.Timeout == 0 {
		o.Timeout = time.Duration(o.WaitSeconds)*time.Second + grace
	}
	o.Secure = o.Secure || atSecure()
	switch {
	case o.Lookup != nil:
	case o.Secure:
		o.Lookup = findSecure
	default:
		o.Lookup = FindCommand
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Backend{opt: o}
	switch o.Mode {
	case ModeLegacy, ModeNFT:
		b.variants = [2]string{o.Mode, o.Mode}
	case ModePlain:
		if err := b.resolve(ctx); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("iptables mode %q is not one of legacy, nft, plain", o.Mode)
	}
	return b, nil
}

// families is the order of every commit and of every state.
func families() [2]plan.Family { return [2]plan.Family{plan.IPv4, plan.IPv6} }

// ID returns apply.IPTablesNFT or apply.IPTablesLegacy.
func (b *Backend) ID() apply.ID {
	if b.variants[0] == ModeNFT {
		return apply.IPTablesNFT
	}
	return apply.IPTablesLegacy
}

// Line returns one rule as iptables-save prints it, without the chain, the
// counters and the stamp. The parts that were not understood follow the ones
// that were.
func (b *Backend) Line(r apply.Rule) string { return lineOf(r) }

// Expand returns the plan as Read returns it when the live rules are right:
// each rule split into ones that a single iptables rule can say.
func (b *Backend) Expand(p plan.Plan) apply.State {
	return planned(apply.Desired{Plan: p}).state()
}

// snapshot is what one Read or Find saw. It implements apply.Snapshot.
type snapshot struct {
	of      *Backend
	commits int // of the backend, when it was read
	rules   bool
	tables  tables
	state   apply.State
}

// State implements apply.Snapshot.
func (s *snapshot) State() apply.State { return s.state }

// Read returns what the kernel holds of what shunt owns: our two chains, and
// whatever leads to them from PREROUTING and OUTPUT. It starts one child a
// family, and none for a table that is known not to exist yet.
func (b *Backend) Read(ctx context.Context) (apply.Snapshot, error) { return b.read(ctx, true) }

// Find is a Read that leaves out the rules of our chains.
func (b *Backend) Find(ctx context.Context) (apply.Snapshot, error) { return b.read(ctx, false) }

func (b *Backend) read(ctx context.Context, rules bool) (apply.Snapshot, error) {
	s := &snapshot{of: b, commits: b.commits, rules: rules}
	for i, fam := range families() {
		t, err := b.readFamily(ctx, fam, rules)
		if err != nil {
			return nil, fmt.Errorf("read %v nat: %w", fam, err)
		}
		s.tables[i] = t
	}
	s.state = s.tables.state()
	b.warn(s.tables)
	return s, nil
}

// warn names, once, the rules of others that lead to our chains. They are no
// drift, because we may not change them and they change nothing of ours.
func (b *Backend) warn(live tables) {
	for i, fam := range families() {
		for _, lines := range live[i].foreign {
			for _, line := range lines {
				if !b.warned {
					b.opt.Log.Warn("a rule that is not shunt's leads to a chain of shunt's; it is left alone", "family", fam.String(), "rule", line)
				}
			}
		}
	}
	b.warned = true
}

// Apply replaces what the snapshot has with what is wanted: one commit for each
// family that differs. If the second one fails, the first one is taken back.
func (b *Backend) Apply(ctx context.Context, s apply.Snapshot, want apply.Desired) (commits int, err error) {
	snap, err := b.own(s)
	if err != nil {
		return 0, fmt.Errorf("apply nat: %w", err)
	}
	if !snap.rules {
		return 0, fmt.Errorf("apply nat: %w: it is a Find's, which has no rules", apply.ErrNoSnapshot)
	}
	steps, err := decide(snap.tables, planned(want))
	if err != nil {
		return 0, fmt.Errorf("apply nat: %w", err)
	}
	for i, st := range steps {
		if err := b.restore(ctx, st.family, st.text); err != nil {
			err = fmt.Errorf("apply %v nat: %w", st.family, err)
			if i > 0 {
				err = b.putBack(ctx, steps[0], err)
			}
			return i, err
		}
	}
	return len(steps), inUse(steps)
}

// undoTime is how long putting the old rules back may take.
const undoTime = 2 * time.Second

// putBack undoes a family's commit because the other family's failed. It does
// so even if the caller gave up: half a rule set is worse than a short wait.
func (b *Backend) putBack(ctx context.Context, st step, cause error) error {
	err := st.noUndo
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		err = b.restore(ctx, st.family, st.undo)
	}
	if err != nil {
		// Neither is wrapped: what they stand for promises that nothing was written.
		return fmt.Errorf("%v; putting the old %v rules back failed too, so the families now differ until the next apply: %v", cause, st.family, err)
	}
	return fmt.Errorf("%w; the old %v rules were put back", cause, st.family)
}

// Clear removes what the snapshot has: one commit for each family that has
// something of ours.
func (b *Backend) Clear(ctx context.Context, s apply.Snapshot) (commits int, err error) {
	snap, err := b.own(s)
	if err != nil {
		return 0, fmt.Errorf("clear nat: %w", err)
	}
	steps, err := decide(snap.tables, tables{{}, {}})
	if err != nil {
		return 0, fmt.Errorf("clear nat: %w", err)
	}
	for i, st := range steps {
		if err := b.restore(ctx, st.family, st.text); err != nil {
			return i, fmt.Errorf("clear %v nat: %w", st.family, err)
		}
	}
	return len(steps), inUse(steps)
}

// own returns a snapshot that this backend read and has not acted upon.
func (b *Backend) own(s apply.Snapshot) (*snapshot, error) {
	snap, ok := s.(*snapshot)
	switch {
	case !ok || snap == nil || snap.of != b:
		return nil, apply.ErrNoSnapshot
	case snap.commits != b.commits:
		return nil, fmt.Errorf("%w: by this backend itself", apply.ErrStale)
	}
	return snap, nil
}

// inUse returns an error that names the chains that were emptied and could not
// be deleted, because somebody else's rules lead to them.
func inUse(steps []step) (err error) {
	for _, s := range steps {
		for _, e := range s.inUse {
			if err == nil {
				err = e
			} else {
				err = fmt.Errorf("%w; %w", err, e)
			}
		}
	}
	return err
}
