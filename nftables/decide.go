package nftables

import "slices"

// transaction is what one commit does.
type transaction struct {
	doing string // for errors and the log: "write the rules of table inet shunt"
	wait  bool   // a grace period comes first
	ops   []op
	undo  []op // takes back the transactions before, if this one is refused
}

// limits is what else the transactions depend on.
type limits struct {
	idle  bool // nothing connects in the namespace yet (see Options.Idle)
	parts bool // the socket takes no large batch
}

// decide returns the transactions that replace what is live with what is wanted.
//
// A table whose shape is as it should be is changed in place, by two
// transactions. First, sets that are new or that no rule reads yet are filled: a
// set in the batch that adds its first rule would be read while it is still
// empty. Then the chains are flushed, the rules are added, and the sets that are
// already read change by the elements in which they differ (inPlace says which
// are replaced instead). Any other table is replaced: the new one is added first
// and the old one deleted later, so that at every instant one complete set of
// rules acts. A grace period comes before the deletion, so that a packet that met
// the new chain before it had rules still meets the old ones.
func decide(have []liveTable, want ruleset, stamp string, l limits) []transaction {
	inOne := l.idle && len(have) == 0 && !l.parts
	current, named := findTable(have, want.table), want
	if current != nil {
		named = want.inPlace(*current, l.parts)
	}
	var out []transaction
	old := without(have, want.table)
	if current == nil || current.changeable(named) {
		out = fill(named, current, stamp, inOne, l.parts)
	} else {
		// Its own name is taken by something that cannot be changed in place,
		// so a spare table acts while the real one is rebuilt.
		spare := want
		spare.table.name = spareName
		left := findTable(have, spare.table)
		if left != nil { // by an interrupted run; it may be what acts
			spare = spare.inPlace(*left, l.parts)
			if !left.changeable(spare) {
				out = append(out, transaction{doing: "delete the table of an interrupted run", ops: []op{delTable{spare.table}}})
				left = nil
			}
		}
		out = append(out, fill(spare, left, stamp, false, l.parts)...)
		rebuild := transaction{doing: "delete the table that is rebuilt", wait: true, ops: []op{delTable{want.table}}}
		if left == nil {
			rebuild.undo = []op{delTable{spare.table}}
		}
		out = append(append(out, rebuild), fill(want, nil, stamp, false, l.parts)...)
		old = append(without(old, spare.table), liveTable{tableID: spare.table})
	}
	if len(old) > 0 {
		replaced := transaction{doing: "delete what was replaced", wait: true}
		for _, t := range old {
			replaced.ops = append(replaced.ops, delTable{t.tableID})
		}
		out = append(out, replaced)
	}
	return out
}

// changeable reports whether the table can be changed in place: everything in
// it has the shape that we give it.
func (t liveTable) changeable(want ruleset) bool {
	if t.flags != 0 || t.tooLarge != "" {
		return false
	}
	for _, c := range t.chains {
		if c.name != inboundChain && c.name != outboundChain || c.spec != wantSpec(c.name) {
			return false
		}
	}
	for _, s := range t.sets {
		if !s.read {
			continue
		}
		if w := findSet(want.sets, s.name); s.mismatch != "" || w != nil && w.kind != s.kind {
			return false
		}
		if o := t.set(s.name + secondName); o != nil && o.read {
			return false // neither name is free for a new set
		}
	}
	return true
}

// fill returns the transactions that give one table the wanted content; current
// is what it holds, or nil. With inOne it is one transaction.
func fill(want ruleset, current *liveTable, stamp string, inOne, parts bool) []transaction {
	t := want.table
	sets := transaction{doing: "fill the sets of table " + t.String()}
	rules := transaction{doing: "write the rules of table " + t.String()}
	first := &sets
	if inOne || len(want.sets) == 0 {
		first = &rules
	}
	if current == nil {
		current = &liveTable{}
		first.ops = []op{addTable{t}}
	}
	for _, s := range want.sets {
		l := current.set(s.name)
		switch {
		case l != nil && l.read:
			rules.ops = append(rules.ops, change(t, s, l.elems)...)
		case l != nil && l.holds(s):
		default:
			if l != nil { // made by an interrupted run
				first.ops = append(first.ops, delSet{t, s.name})
			}
			first.ops = append(first.ops, addSet{t, s.name, s.kind}, addElements{elements{t, s.name, s.kind, s.elems}})
		}
	}
	for _, chain := range chains() {
		if current.chain(chain) == nil {
			rules.ops = append(rules.ops, addChain{t, chain})
		} else {
			rules.ops = append(rules.ops, flushChain{t, chain})
		}
		list := want.chain(chain)
		for i, r := range list {
			rules.ops = append(rules.ops, addRule{t, chain, r, ruleComment(r.Name, stamp, i == len(list)-1)})
		}
	}
	for _, s := range current.sets {
		if findSet(want.sets, s.name) == nil {
			rules.ops = append(rules.ops, delSet{t, s.name})
		}
	}
	var out []transaction
	switch {
	case len(sets.ops) == 0:
	case parts:
		out = split(sets)
	default:
		out = append(out, sets)
	}
	out = append(out, rules)
	var done []op
	for i := range out {
		out[i].undo = undo(done)
		done = append(done, out[i].ops...)
	}
	return out
}

// undo returns what takes back operations that no rule depends on yet.
func undo(done []op) (out []op) {
	for _, o := range done {
		switch o := o.(type) {
		case addTable:
			return []op{delTable(o)}
		case addSet:
			out = append(out, delSet{o.table, o.name})
		}
	}
	return out
}

// change returns what turns a set's elements into the wanted ones.
func change(t tableID, s set, have []interval) (out []op) {
	del, add := delta(have, s.elems)
	if len(del) > 0 {
		out = append(out, delElements{elements{t, s.name, s.kind, del}})
	}
	if len(add) > 0 {
		out = append(out, addElements{elements{t, s.name, s.kind, add}})
	}
	return out
}

// partSize is how many intervals a commit adds or deletes where one for all is
// too large: 64 kB of IPv6 addresses, a third of net.core.wmem_max's default.
const partSize = 1000

// split cuts a transaction into several, each of which changes at most partSize
// intervals.
func split(t transaction) (out []transaction) {
	part := transaction{doing: t.doing}
	next := func(o op) {
		part.ops = append(part.ops, o)
		out, part = append(out, part), transaction{doing: t.doing}
	}
	for _, o := range t.ops {
		switch o := o.(type) {
		case addElements:
			for list := range slices.Chunk(o.list, partSize) {
				o.list = list
				next(o)
			}
		case delElements:
			for list := range slices.Chunk(o.list, partSize) {
				o.list = list
				next(o)
			}
		default:
			part.ops = append(part.ops, o)
		}
	}
	if len(part.ops) > 0 {
		out = append(out, part)
	}
	return out
}

func findTable(tables []liveTable, id tableID) *liveTable {
	for i := range tables {
		if tables[i].tableID == id {
			return &tables[i]
		}
	}
	return nil
}

func without(tables []liveTable, id tableID) []liveTable {
	return slices.DeleteFunc(slices.Clone(tables), func(t liveTable) bool { return t.tableID == id })
}
