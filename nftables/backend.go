// Package nftables holds shunt's rules in native nftables, over netlink: a
// table of its own with two base chains and a named interval set for each
// list. It works in the calling thread's network namespace, needs no program
// beside the kernel, and changes no table but its own.
package nftables

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// Backend applies plans in one network namespace. It must be used from the
// thread that opened it, or any other in the same namespace, and by one
// goroutine at a time.
type Backend struct {
	// Idle says that nothing connects in the namespace yet, as during a CNI
	// ADD. What is new then takes one commit instead of two: that its rules
	// may act for a moment before its sets are filled harms no connection.
	Idle bool

	sock *socket
	live live // what is being changed

	inParts bool   // the socket takes no large batch
	stamp   string // of what is being written
}

// Open returns a backend for the calling thread's network namespace.
func Open() (*Backend, error) {
	s, err := dial()
	if err != nil {
		return nil, explain("open nftables", err)
	}
	return &Backend{sock: s}, nil
}

// Close releases the backend's socket. The rules stay.
func (b *Backend) Close() { b.sock.close() }

// ID returns apply.NFTables.
func (b *Backend) ID() apply.ID { return apply.NFTables }

// Line returns one rule as nft writes it, without its counter.
func (b *Backend) Line(r apply.Rule) string { return Line(r) }

// tableFor returns the table that the plan stands in. With IPv6 off it has
// the family ip, so that IPv6 packets never meet it.
func tableFor(p plan.Plan) tableID {
	if p.IPv6 {
		return tableID{unix.NFPROTO_INET, tableName}
	}
	return tableID{unix.NFPROTO_IPV4, tableName}
}

// Expand returns the plan in this backend's shape.
func (b *Backend) Expand(p plan.Plan) apply.State {
	rs := shape(p, tableFor(p))
	return apply.State{Sections: []apply.Section{
		rs.section(inboundChain, rs.in),
		rs.section(outboundChain, rs.out),
	}}
}

func (rs ruleset) section(chain string, rules []kernelRule) apply.Section {
	s := apply.Section{Place: rs.table.place(chain), Hook: hookOf(wantHook(chain)), Spec: wantSpec(chain)}
	for _, r := range rules {
		s.Rules = append(s.Rules, apply.Rule{Rule: r.Rule})
	}
	return s
}

// Read returns what the kernel holds of ours.
func (b *Backend) Read(context.Context) (apply.Snapshot, error) {
	l, err := b.sock.read()
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Find returns which tables of ours there are, without their content.
func (b *Backend) Find(context.Context) (apply.Snapshot, error) {
	l, err := b.sock.find()
	if err != nil {
		return nil, err
	}
	return l, nil
}

// State describes what is live: the two chains of each table of ours, and
// what else is in it, one line each.
func (l live) State() apply.State {
	var s apply.State
	for _, t := range l.tables {
		if stray, unused := t.strays(); len(stray)+len(unused) > 0 {
			s.Sections = append(s.Sections, apply.Section{Place: t.place(""), Stray: stray, Unused: unused})
		}
		for _, name := range []string{inboundChain, outboundChain} {
			if c := t.chain(name); c != nil {
				s.Sections = append(s.Sections, apply.Section{Place: t.place(name), Hook: c.hook, Spec: c.spec, Rules: c.rules})
			}
		}
	}
	return s
}

// strays lists what is in a table of ours and should not be: the table of a run
// that was killed, a dormant table, foreign chains, foreign sets; and what is
// unused, the sets that no rule reads.
func (t liveTable) strays() (stray, unused []string) {
	if t.name == spareName {
		stray = append(stray, "table left by an interrupted run")
	}
	if t.flags != 0 {
		stray = append(stray, fmt.Sprintf("flags %#x (1 is dormant: its rules do not act)", t.flags))
	}
	if len(t.chains) == 0 {
		stray = append(stray, "no chains")
	}
	for _, c := range t.chains {
		if c.name != inboundChain && c.name != outboundChain {
			stray = append(stray, "chain "+c.name)
		}
	}
	for _, s := range t.sets {
		if s.odd != "" {
			stray = append(stray, "set "+s.name+": "+s.odd)
		} else if !s.read {
			unused = append(unused, "set "+s.name+", which no rule reads")
		}
	}
	return stray, unused
}

// take makes a snapshot what is being changed.
func (b *Backend) take(s apply.Snapshot) error {
	l, ok := s.(live)
	if !ok || l.gen == 0 { // the kernel does not check a generation of 0
		return apply.ErrNoSnapshot
	}
	b.live = l
	return nil
}

// Clear deletes the tables that the snapshot has, in one commit.
func (b *Backend) Clear(_ context.Context, s apply.Snapshot) (commits int, err error) {
	if err := b.take(s); err != nil || len(b.live.tables) == 0 {
		return 0, err
	}
	return b.commit("delete shunt's nftables tables", func(x *batch) {
		for _, t := range b.live.tables {
			x.delTable(t.tableID)
		}
	})
}

// commit sends one batch, valid only at the generation that was read, and
// moves that generation on by one: the kernel counts commits. It returns the
// number of commits made.
func (b *Backend) commit(doing string, fill func(*batch)) (int, error) {
	x := newBatch(b.live.gen)
	fill(x)
	err := x.err
	if err == nil {
		err = b.sock.commit(x)
	}
	if errors.Is(err, unix.ENOENT) {
		// Everything that the batch names was just read at this generation,
		// so what is missing is a chain type or an expression.
		return 0, fmt.Errorf("%s: %w: the kernel lacks a part of nf_tables (inet nat needs Linux 5.2): %w", doing, err, apply.ErrNotSupported)
	}
	if err != nil {
		return 0, explain(doing, err)
	}
	b.live.gen++
	if b.live.gen == 0 {
		b.live.gen++ // the kernel leaves 0 out
	}
	return 1, nil
}
