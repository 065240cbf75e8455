// Package nftables holds shunt's rules in native nftables, over netlink: a table
// of its own with two base chains and a named interval set for each list. It
// needs the kernel and no program, and changes no table but its own.
//
// A snapshot (read.go) and a plan in the shape of a table (shape.go) become
// transactions (decide.go), transactions become bytes (encode.go), and the
// kernel carries them out (commit.go).
package nftables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// Options are what a backend needs to know.
type Options struct {
	// Settle returns when all packets have left the rules that were passing
	// through them when it was called. It is called before rules that others
	// have replaced are deleted. It is required.
	Settle func()

	// Idle says that nothing connects in the namespace yet, as during a CNI
	// ADD. New rules then take one commit instead of two: for a moment they act
	// before their sets are filled, which harms no connection.
	Idle bool

	// Log gets each transaction at level debug; nil: nothing is logged.
	Log *slog.Logger
}

// Backend applies plans in one network namespace: that of the thread that opened
// it. It is used from that thread, or another in the same namespace, by one
// goroutine at a time. It remembers nothing about the rules.
type Backend struct {
	sock   *socket
	log    *slog.Logger
	idle   bool
	settle func()
}

// Open returns a backend for the calling thread's network namespace. Its error
// wraps apply.ErrNotSupported if the kernel has no nf_tables.
func Open(o Options) (*Backend, error) {
	if o.Settle == nil {
		return nil, errors.New("open nftables: no Settle function was given")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := dial()
	if err == nil {
		_, err = s.generation(context.Background())
	}
	if err != nil {
		s.close()
		return nil, openError(err)
	}
	return &Backend{sock: s, log: o.Log, idle: o.Idle, settle: o.Settle}, nil
}

// Close releases the backend's socket. The rules stay.
func (b *Backend) Close() { b.sock.close() }

// ID returns apply.NFTables.
func (b *Backend) ID() apply.ID { return apply.NFTables }

// Line returns one rule as nft writes it, without its counter.
func (b *Backend) Line(r apply.Rule) string { return Line(r) }

// Expand returns the plan in this backend's shape.
func (b *Backend) Expand(p plan.Plan) apply.State {
	rs := shape(p)
	return rs.state()
}

// Read returns what the kernel holds of ours. A table that holds more than any
// plan needs is reported only as too large. Read gives up when the context ends,
// or after ten seconds.
func (b *Backend) Read(ctx context.Context) (apply.Snapshot, error) {
	s, err := b.read(ctx, true)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Find returns which tables of ours there are, without looking into them.
func (b *Backend) Find(ctx context.Context) (apply.Snapshot, error) {
	s, err := b.read(ctx, false)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (b *Backend) read(ctx context.Context, whole bool) (*snapshot, error) {
	s := &snapshot{by: b, whole: whole}
	gen, err := b.sock.consistent(ctx, func(ctx context.Context) error {
		s.tables = nil
		for _, id := range ourTables() {
			t, err := b.sock.table(ctx, id)
			if err == nil && t != nil && whole {
				err = b.sock.content(ctx, t)
			}
			if err != nil {
				return err
			}
			if t != nil {
				s.tables = append(s.tables, *t)
			}
		}
		return nil
	})
	s.gen = gen
	return s, err
}

// maxRanges is how many ranges a list can have: a tenant writes it, and the
// kernel takes time for each.
const maxRanges = 65536

// Apply replaces what the snapshot has with what is wanted.
//
// In a user namespace a batch may be too large for the socket; the kernel refuses
// it before it looks at it. Then the rules are read again, and lists are filled
// in parts.
func (b *Backend) Apply(ctx context.Context, s apply.Snapshot, want apply.Desired) (commits int, err error) {
	have, err := b.own(s, "apply the rules")
	if err != nil {
		return 0, err
	}
	if !have.whole {
		return 0, fmt.Errorf("apply the rules: %w: it is a Find's, which has no rules", apply.ErrNoSnapshot)
	}
	rules := shape(want.Plan)
	for _, set := range rules.sets {
		if len(set.elems) > maxRanges {
			return 0, fmt.Errorf("apply the rules: %w: list %s has %d, at most %d are allowed", ErrTooManyRanges, set.name, len(set.elems), maxRanges)
		}
	}
	commits, err = b.send(ctx, have.gen, decide(have.tables, rules, want.Stamp.String(), limits{idle: b.idle}))
	if !errors.Is(err, unix.EMSGSIZE) {
		return commits, err
	}
	if have, err = b.read(ctx, true); err != nil {
		return commits, err
	}
	n, err := b.send(ctx, have.gen, decide(have.tables, rules, want.Stamp.String(), limits{parts: true}))
	return commits + n, err
}

// Clear deletes the tables in the snapshot, in one commit.
func (b *Backend) Clear(ctx context.Context, s apply.Snapshot) (commits int, err error) {
	have, err := b.own(s, "delete shunt's nftables tables")
	if err != nil || len(have.tables) == 0 {
		return 0, err
	}
	t := transaction{doing: "delete shunt's nftables tables"}
	for _, table := range have.tables {
		t.ops = append(t.ops, delTable{table.tableID})
	}
	return b.send(ctx, have.gen, []transaction{t})
}

// own returns the snapshot if this backend read it and everything in it can be
// changed.
func (b *Backend) own(s apply.Snapshot, doing string) (*snapshot, error) {
	have, ok := s.(*snapshot)
	if !ok || have == nil || have.by != b || have.gen == 0 {
		return nil, fmt.Errorf("%s: %w", doing, apply.ErrNoSnapshot)
	}
	for _, t := range have.tables {
		if t.flags&flagOwner != 0 {
			return nil, fmt.Errorf("%s: table %s: %w: its netlink port is %d", doing, t, ErrOwned, t.owner)
		}
	}
	return have, nil
}
