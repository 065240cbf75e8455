package nftables

import (
	"context"
	"errors"

	gnft "github.com/google/nftables"

	"shunt/plan"
)

// Apply replaces what the last Read found by the plan.
//
// A table whose shape is as it should be is changed in place: sets that are
// new are committed, filled, in a batch of their own, because a set in the
// batch that adds its first rule is read while it is still empty; one more
// batch flushes the chains, adds the rules, and adds and deletes the elements
// in which the sets differ. Anything else is replaced by adding the new table
// first and deleting the old one in a later commit, so that at every instant
// one complete set of rules acts.
func (b *Backend) Apply(_ context.Context, p plan.Plan) (commits int, err error) {
	want := shape(p, tableFor(p))
	old := b.live.tables
	run := func(doing string, fill func(*tx)) {
		if err == nil {
			var n int
			n, err = b.commit(doing, fill)
			commits += n
		}
	}

	current := b.live.find(want.table)
	if current == nil || current.sound(want) {
		b.fill(run, want, current)
		if current == nil && commits > 0 && errors.Is(err, plan.ErrNotSupported) {
			// The sets were accepted and the rules were not.
			if n, undo := b.commit("take back the table", func(tx *tx) { tx.DelTable(want.table.object()) }); undo != nil {
				err = errors.Join(err, undo)
			} else {
				commits += n
			}
		}
		old = without(old, want.table)
	} else {
		// Its own name is taken by something that cannot be changed in
		// place, so a spare table acts while the real one is rebuilt.
		spare := want
		spare.table.name = spareName
		if left := b.live.find(spare.table); left != nil {
			run("delete the table of an interrupted run", func(tx *tx) { tx.DelTable(left.object()) })
			old = without(old, spare.table)
		}
		b.fill(run, spare, nil)
		run("delete table "+want.table.String(), func(tx *tx) { tx.DelTable(want.table.object()) })
		old = without(old, want.table)
		b.fill(run, want, nil)
		run("delete table "+spare.table.String(), func(tx *tx) { tx.DelTable(spare.table.object()) })
	}
	if len(old) > 0 {
		run("delete the tables that were replaced", func(tx *tx) {
			for _, t := range old {
				tx.DelTable(t.object())
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
	}
	return true
}

// fill brings one table to the wanted content in at most two commits; current
// is what it holds, or nil.
func (b *Backend) fill(run func(string, func(*tx)), want ruleset, current *liveTable) {
	table := want.table.object()
	var have []liveSet
	if current != nil {
		have = current.sets
	}
	var fresh []set
	for _, s := range want.sets {
		if findLive(have, s.name) == nil {
			fresh = append(fresh, s)
		}
	}
	if len(fresh) > 0 {
		run("add sets to table "+want.table.String(), func(tx *tx) {
			tx.AddTable(table)
			for _, s := range fresh {
				tx.addSet(table, s)
			}
		})
	}
	run("write the rules of table "+want.table.String(), func(tx *tx) {
		tx.AddTable(table)
		for _, s := range want.sets {
			if l := findLive(have, s.name); l != nil {
				tx.change(table, s, l.elems)
			}
		}
		tx.chain(table, inboundChain, want.in, current)
		tx.chain(table, outboundChain, want.out, current)
		for _, s := range have {
			if find(want.sets, s.name) == nil {
				tx.DelSet(&gnft.Set{Table: table, Name: s.name})
			}
		}
	})
}

func findLive(sets []liveSet, name string) *liveSet {
	for i := range sets {
		if sets[i].name == name {
			return &sets[i]
		}
	}
	return nil
}

func (tx *tx) addSet(t *gnft.Table, s set) {
	// The error of AddSet is kept by the connection and returned by Flush.
	_ = tx.AddSet(s.object(t, tx.stamp), elements(s.elems, s.width))
}

// change adds and deletes the elements in which a live set differs.
func (tx *tx) change(t *gnft.Table, s set, have []interval) {
	del, add := delta(have, s.elems)
	object := &gnft.Set{Table: t, Name: s.name}
	if len(del) > 0 {
		_ = tx.SetDeleteElements(object, elements(del, s.width))
	}
	if len(add) > 0 {
		_ = tx.SetAddElements(object, elements(add, s.width))
	}
}

// chain flushes a base chain and writes its rules, making the chain first if
// it is not there.
func (tx *tx) chain(t *gnft.Table, name string, rules []kernelRule, current *liveTable) {
	c := &gnft.Chain{Name: name, Table: t}
	if current == nil || current.chain(name) == nil {
		hook, priority, policy := gnft.ChainHook(wantHook(name)), gnft.ChainPriority(priorityDstNAT), gnft.ChainPolicyAccept
		c.Type, c.Hooknum, c.Priority, c.Policy = gnft.ChainTypeNAT, &hook, &priority, &policy
		tx.AddChain(c)
	} else {
		tx.FlushChain(c)
	}
	for i, r := range rules {
		tx.AddRule(&gnft.Rule{
			Table:    t,
			Chain:    c,
			Exprs:    compile(r, byte(t.Family)),
			UserData: commentData(comment(r.Name, tx.stamp, i == len(rules)-1)),
		})
	}
}
