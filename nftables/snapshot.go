package nftables

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// snapshot is what the kernel held of ours at one generation. It never changes.
type snapshot struct {
	by     *Backend // that read it
	gen    uint32
	tables []liveTable
	whole  bool // with the content of the tables: Read's, not Find's
}

type liveTable struct {
	tableID
	flags  uint32
	owner  uint32 // the netlink port that owns it, if the flag says so
	chains []liveChain
	sets   []liveSet

	// tooLarge says what the table has more of than any plan needs; the rest is
	// then incomplete.
	tooLarge string
}

type liveChain struct {
	name  string
	hook  apply.Hook
	spec  string // of a base chain; empty for a regular one
	base  baseChain
	use   uint32 // the number of its rules and of those that lead to it
	rules []apply.Rule
}

// baseChain is what the kernel says of a base chain.
type baseChain struct {
	kind     string
	hook     uint32
	priority int32
	policy   uint32
}

type liveSet struct {
	set
	comment  string
	mismatch string // why it is not a set that shunt writes, if it is not
	single   bool   // its elements are single keys, not the ends of intervals
	read     bool   // a rule reads it
}

// holds reports whether the set is as it is wanted.
func (s liveSet) holds(want set) bool {
	return s.mismatch == "" && s.kind == want.kind && s.comment == setComment(want.name) && slices.Equal(s.elems, want.elems)
}

func (t *liveTable) chain(name string) *liveChain {
	for i := range t.chains {
		if t.chains[i].name == name {
			return &t.chains[i]
		}
	}
	return nil
}

func (t *liveTable) set(name string) *liveSet {
	for i := range t.sets {
		if t.sets[i].name == name {
			return &t.sets[i]
		}
	}
	return nil
}

// State returns the two chains of each table of ours and, a line each, what else
// is in it. After a Find it returns only the tables.
func (s *snapshot) State() apply.State {
	var out apply.State
	for _, t := range s.tables {
		table := apply.Section{Place: t.place("")}
		if !s.whole {
			out.Sections = append(out.Sections, table)
			continue
		}
		table.Stray, table.Unused = t.strays()
		if len(table.Stray)+len(table.Unused) > 0 {
			out.Sections = append(out.Sections, table)
		}
		for _, name := range chains() {
			if c := t.chain(name); c != nil && t.tooLarge == "" {
				out.Sections = append(out.Sections, apply.Section{Place: t.place(name), Hook: c.hook, Spec: c.spec, Rules: c.rules})
			}
		}
	}
	return out
}

// strays lists what is in a table of ours and should not be: the table of a run
// that was killed, flags, foreign chains, foreign sets; and what is unused, the
// sets that no rule reads.
func (t liveTable) strays() (stray, unused []string) {
	if t.name == spareName {
		stray = append(stray, "table left by an interrupted run")
	}
	if t.flags != 0 {
		stray = append(stray, "flags "+flagNames(t.flags))
	}
	if t.tooLarge != "" {
		return append(stray, "too large to compare: "+t.tooLarge), nil
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
		if s.mismatch != "" {
			stray = append(stray, "set "+s.name+": "+s.mismatch)
		} else if !s.read {
			unused = append(unused, "set "+s.name+", which no rule reads")
		}
	}
	return stray, unused
}

// Flags of a table (linux/netfilter/nf_tables.h). The rules of a dormant table do
// not act; one with an owner is changed only by the program that made it.
const (
	flagDormant = unix.NFT_TABLE_F_DORMANT
	flagOwner   = 0x2
	flagPersist = 0x4
)

func flagNames(flags uint32) string {
	var names []string
	for _, f := range []struct {
		bit  uint32
		name string
	}{{flagDormant, "dormant (its rules do not act)"}, {flagOwner, "owner"}, {flagPersist, "persist"}} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
			flags &^= f.bit
		}
	}
	if flags != 0 {
		names = append(names, fmt.Sprintf("%#x", flags))
	}
	return strings.Join(names, ", ")
}
