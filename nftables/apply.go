package nftables

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/netns"
	"shunt/plan"
)

// Apply replaces what the snapshot has by the plan.
//
// A table whose shape is as it should be is changed in place: sets that are
// new, and those that no rule reads yet, are committed, filled, in a batch of
// their own, because a set in the batch that adds its first rule is read while
// it is still empty; one more batch flushes the chains, adds the rules, and
// adds and deletes the elements in which the sets differ (see beside for those
// that are replaced instead). Anything else is replaced by adding the new table
// first and deleting the old one in a later commit, so that at every instant
// one complete set of rules acts; a packet that met the new chain before it had
// rules is through before the old ones go. In an idle namespace what is new
// comes in one batch (see Idle).
//
// In a user namespace a batch may be too large for the socket, which the kernel
// says before it looks at it. Then sets that no rule reads yet are filled in
// parts, and every list that differs becomes such a set.
func (b *Backend) Apply(_ context.Context, s apply.Snapshot, want apply.Desired) (commits int, err error) {
	if err := b.take(s); err != nil {
		return 0, err
	}
	b.stamp = want.Stamp.String()
	p := want.Plan
	table := tableFor(p)
	fresh := b.live.find(table) == nil
	commits, err = b.apply(p)
	if errors.Is(err, unix.EMSGSIZE) && !b.inParts {
		b.inParts = true
		if b.live, err = b.sock.read(); err != nil {
			return commits, err
		}
		var n int
		n, err = b.apply(p)
		commits += n
	}
	if fresh && commits > 0 && (errors.Is(err, apply.ErrNotSupported) || errors.Is(err, unix.EMSGSIZE)) {
		// The sets were accepted and the rules were not.
		n, undo := b.commit("take back the table", func(x *batch) { x.delTable(table) })
		return commits + n, errors.Join(err, undo)
	}
	return commits, err
}

func (b *Backend) apply(p plan.Plan) (commits int, err error) {
	want := shape(p, tableFor(p))
	old := b.live.tables
	run := func(doing string, fill func(*batch)) {
		if err == nil {
			var n int
			n, err = b.commit(doing, fill)
			commits += n
		}
	}

	current, named := b.live.find(want.table), want
	if current != nil {
		named = want.beside(*current, b.inParts)
	}
	if current == nil || current.sound(named) {
		b.fill(run, named, current)
		old = without(old, want.table)
	} else {
		// Its own name is taken by something that cannot be changed in
		// place, so a spare table acts while the real one is rebuilt.
		spare := want
		spare.table.name = spareName
		left := b.live.find(spare.table)
		if left != nil { // by an interrupted run; it may be what acts
			spare = spare.beside(*left, b.inParts)
			if !left.sound(spare) {
				run("delete the table of an interrupted run", func(x *batch) { x.delTable(left.tableID) })
				left = nil
			}
			old = without(old, spare.table)
		}
		b.fill(run, spare, left)
		netns.Settle()
		run("delete table "+want.table.String(), func(x *batch) { x.delTable(want.table) })
		old = without(old, want.table)
		b.fill(run, want, nil)
		netns.Settle()
		run("delete table "+spare.table.String(), func(x *batch) { x.delTable(spare.table) })
	}
	if len(old) > 0 {
		netns.Settle()
		run("delete the tables that were replaced", func(x *batch) {
			for _, t := range old {
				x.delTable(t.tableID)
			}
		})
	}
	return commits, err
}

func (l live) find(id tableID) *liveTable {
	for i := range l.tables {
		if l.tables[i].tableID == id {
			return &l.tables[i]
		}
	}
	return nil
}

func without(tables []liveTable, id tableID) []liveTable {
	var out []liveTable
	for _, t := range tables {
		if t.tableID != id {
			out = append(out, t)
		}
	}
	return out
}

// sound reports whether the table can be changed in place: nothing in it is
// of another shape than ours.
func (t liveTable) sound(want ruleset) bool {
	if t.flags != 0 {
		return false
	}
	for _, c := range t.chains {
		if c.name != inboundChain && c.name != outboundChain || c.spec != wantSpec(c.name) {
			return false
		}
	}
	for _, s := range t.sets {
		if w := find(want.sets, s.name); s.odd != "" || w != nil && w.width != s.width {
			return false
		}
		if o := findLive(t.sets, s.name+swapped); s.read && o != nil && o.read {
			return false // no name is left for a list that is to be replaced
		}
	}
	return true
}

// fill brings one table to the wanted content in at most two commits; current
// is what it holds, or nil.
func (b *Backend) fill(run func(string, func(*batch)), want ruleset, current *liveTable) {
	t := want.table
	var have []liveSet
	if current != nil {
		have = current.sets
	}
	unread := func(s set) bool { l := findLive(have, s.name); return l == nil || !l.read }
	inOne := b.Idle && len(b.live.tables) == 0 && !b.inParts
	early := !inOne && slices.ContainsFunc(want.sets, func(s set) bool {
		l := findLive(have, s.name)
		return unread(s) && (l == nil || !slices.Equal(l.elems, s.elems))
	})
	switch {
	case early && b.inParts:
		b.fillInParts(run, want, have)
	case early:
		run("add sets to table "+t.String(), func(x *batch) {
			x.addTable(t)
			for _, s := range want.sets {
				if unread(s) {
					x.bring(t, s, findLive(have, s.name), b.stamp)
				}
			}
		})
	}
	run("write the rules of table "+t.String(), func(x *batch) {
		x.addTable(t)
		for _, s := range want.sets {
			if inOne || !unread(s) {
				x.bring(t, s, findLive(have, s.name), b.stamp)
			}
		}
		b.chain(x, t, inboundChain, want.in, current)
		b.chain(x, t, outboundChain, want.out, current)
		for _, s := range have {
			if find(want.sets, s.name) == nil {
				x.delSet(t, s.name)
			}
		}
	})
}

// partSize is how many intervals a commit adds or deletes where one for all is
// too large: 64 kB of IPv6 addresses, a third of net.core.wmem_max's default.
const partSize = 1000

// fillInParts makes the sets that no rule reads yet, then adds and deletes
// their elements in many commits.
func (b *Backend) fillInParts(run func(string, func(*batch)), want ruleset, have []liveSet) {
	t := want.table
	for _, s := range want.sets {
		l := findLive(have, s.name)
		if l != nil && l.read {
			continue
		}
		if l == nil {
			l = &liveSet{set: set{name: s.name, width: s.width}}
			run("add set "+s.name, func(x *batch) {
				x.addTable(t)
				x.addSet(t, l.set, b.stamp)
			})
		}
		del, add := delta(l.elems, s.elems)
		for part := range slices.Chunk(del, partSize) {
			run("empty set "+s.name, func(x *batch) { x.elements(unix.NFT_MSG_DELSETELEM, t, s, part) })
		}
		for part := range slices.Chunk(add, partSize) {
			run("fill set "+s.name, func(x *batch) { x.elements(unix.NFT_MSG_NEWSETELEM, t, s, part) })
		}
	}
}

// bring makes a set, or adds and deletes the elements in which it differs.
func (x *batch) bring(t tableID, s set, have *liveSet, stamp string) {
	if have == nil {
		x.addSet(t, s, stamp)
		return
	}
	del, add := delta(have.elems, s.elems)
	x.elements(unix.NFT_MSG_DELSETELEM, t, s, del)
	x.elements(unix.NFT_MSG_NEWSETELEM, t, s, add)
}

func findLive(sets []liveSet, name string) *liveSet {
	for i := range sets {
		if sets[i].name == name {
			return &sets[i]
		}
	}
	return nil
}

// chain flushes a base chain and writes its rules, making the chain first if
// it is not there.
func (b *Backend) chain(x *batch, t tableID, name string, rules []kernelRule, current *liveTable) {
	if current == nil || current.chain(name) == nil {
		x.addChain(t, name)
	} else {
		x.flushChain(t, name)
	}
	for i, r := range rules {
		x.addRule(t, name, compile(r, t.family), comment(r.Name, b.stamp, i == len(rules)-1))
	}
}
