package nftables

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// live is what the kernel holds of ours at one generation.
type live struct {
	gen    uint32
	tables []liveTable
}

type liveTable struct {
	tableID
	flags  uint32
	chains []liveChain
	sets   []liveSet
}

type liveChain struct {
	name  string
	spec  string // of a base chain; empty for a regular one
	hook  apply.Hook
	rules []apply.Rule
}

type liveSet struct {
	set
	odd  string // why it is not a set that shunt writes, if it is not
	read bool   // a rule reads it
}

// isOurs reports whether a table belongs to shunt: a name of ours, in a
// family that shunt uses. Whoever made it, shunt takes it over.
func isOurs(t tableID) bool {
	return (t.name == tableName || t.name == spareName) &&
		(t.family == unix.NFPROTO_INET || t.family == unix.NFPROTO_IPV4)
}

// maxReads bounds how often a read is repeated when the rules keep changing: a
// read takes a third of a millisecond, so that a writer who commits every
// millisecond has to be unlucky this often, and one without any pause is named.
const maxReads = 200

// consistent runs read until the kernel's generation is the same before and
// after it, and returns that generation.
func (s *socket) consistent(read func() error) (uint32, error) {
	for range maxReads {
		before, err := s.generation()
		if err != nil {
			return 0, err
		}
		err = read()
		// An object that a listing named and that is gone when its content
		// is asked for (ENOENT) shows a change as much as the flag does.
		if err != nil && !errors.Is(err, errInterrupted) && !errors.Is(err, unix.ENOENT) {
			return 0, err
		}
		after, genErr := s.generation()
		if genErr != nil {
			return 0, genErr
		}
		if err == nil && before == after {
			return before, nil
		}
		if err != nil && before == after && errors.Is(err, unix.ENOENT) {
			return 0, err
		}
	}
	return 0, fmt.Errorf("read the nftables rules: they changed during each of %d reads: find out what rewrites them without pause", maxReads)
}

// generation returns the number of the kernel's current set of rules.
func (s *socket) generation() (gen uint32, err error) {
	err = s.request(unix.NFT_MSG_GETGEN, unix.NFPROTO_UNSPEC, 0, nil, func(_ byte, body []byte) error {
		a := attrs{rest: body}
		for a.next() {
			if a.kind == unix.NFTA_GEN_ID {
				gen = a.u32()
			}
		}
		return a.fail("the generation")
	})
	return gen, explain("ask the kernel for its nftables generation", err)
}

// read returns what is there of ours.
func (s *socket) read() (live, error) {
	var l live
	gen, err := s.consistent(func() (err error) {
		l.tables, err = s.tables(isOurs)
		for i := range l.tables {
			if err == nil {
				err = s.content(&l.tables[i])
			}
		}
		return err
	})
	l.gen = gen
	return l, err
}

// find returns which tables of ours there are, without their content.
func (s *socket) find() (l live, err error) {
	l.gen, err = s.consistent(func() (err error) {
		l.tables, err = s.tables(isOurs)
		return err
	})
	return l, err
}

// tables lists the tables that keep accepts, without their content.
func (s *socket) tables(keep func(tableID) bool) (out []liveTable, err error) {
	err = s.dump(unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC, nil, func(family byte, body []byte) error {
		t := liveTable{tableID: tableID{family: family}}
		a := attrs{rest: body}
		for a.next() {
			switch a.kind {
			case unix.NFTA_TABLE_NAME:
				t.name = a.str()
			case unix.NFTA_TABLE_FLAGS:
				t.flags = a.u32()
			}
		}
		if keep(t.tableID) {
			out = append(out, t)
		}
		return a.fail("a table")
	})
	return out, explain("list the nftables tables", err)
}

// content fills in a table's chains, sets and rules.
func (s *socket) content(t *liveTable) error {
	if err := s.chains(t); err != nil {
		return err
	}
	err := s.dump(unix.NFT_MSG_GETSET, t.family, stringAttr(nil, unix.NFTA_SET_TABLE, t.name), func(_ byte, body []byte) error {
		set, err := decodeSet(body)
		t.sets = append(t.sets, set)
		return err
	})
	if err != nil {
		return explain("list the sets of table "+t.String(), err)
	}
	for i := range t.sets {
		if err := s.elements(t.tableID, &t.sets[i]); err != nil {
			return explain("read set "+t.sets[i].name+" of table "+t.String(), err)
		}
	}
	err = s.dump(unix.NFT_MSG_GETRULE, t.family, stringAttr(nil, unix.NFTA_RULE_TABLE, t.name), func(_ byte, body []byte) error {
		chain, rule, err := decodeRule(body, t.family, t.sets)
		if c := t.chain(chain); c != nil {
			c.rules = append(c.rules, rule)
		}
		return err
	})
	return explain("read the rules of table "+t.String(), err)
}

func (t *liveTable) chain(name string) *liveChain {
	for i := range t.chains {
		if t.chains[i].name == name {
			return &t.chains[i]
		}
	}
	return nil
}

// chains lists a table's chains. The kernel filters this dump by family only.
func (s *socket) chains(t *liveTable) error {
	err := s.dump(unix.NFT_MSG_GETCHAIN, t.family, nil, func(_ byte, body []byte) error {
		table, c, err := decodeChain(body)
		if table == t.name {
			t.chains = append(t.chains, c)
		}
		return err
	})
	return explain("list the chains of table "+t.String(), err)
}

func decodeChain(body []byte) (table string, c liveChain, err error) {
	var kind string
	var hook, policy uint32 = 0, nfAccept
	var priority int32
	base := false
	a := attrs{rest: body}
	for a.next() {
		switch a.kind {
		case unix.NFTA_CHAIN_TABLE:
			table = a.str()
		case unix.NFTA_CHAIN_NAME:
			c.name = a.str()
		case unix.NFTA_CHAIN_TYPE:
			kind = a.str()
		case unix.NFTA_CHAIN_POLICY:
			policy = a.u32()
		case unix.NFTA_CHAIN_HOOK:
			base = true
			h := a.nested()
			for h.next() {
				switch h.kind {
				case unix.NFTA_HOOK_HOOKNUM:
					hook = h.u32()
				case unix.NFTA_HOOK_PRIORITY:
					priority = int32(h.u32())
				}
			}
			if err := h.fail("a chain's hook"); err != nil {
				return table, c, err
			}
		}
	}
	if base {
		c.hook = hookOf(hook)
		c.spec = chainSpec(kind, hook, priority, policy)
	}
	return table, c, a.fail("a chain")
}

// decodeSet reads a set without its elements.
func decodeSet(body []byte) (s liveSet, err error) {
	var kind, keyLen, flags uint32
	a := attrs{rest: body}
	for a.next() {
		switch a.kind {
		case unix.NFTA_SET_NAME:
			s.name = a.str()
		case unix.NFTA_SET_KEY_TYPE:
			kind = a.u32()
		case unix.NFTA_SET_KEY_LEN:
			keyLen = a.u32()
		case unix.NFTA_SET_FLAGS:
			flags = a.u32()
		}
	}
	s.width = int(keyLen)
	switch {
	case kind == 0 || kind != keyType(keyLen):
		s.odd = fmt.Sprintf("its keys have type %d and %d bytes", kind, keyLen)
	case flags != unix.NFT_SET_INTERVAL:
		s.odd = fmt.Sprintf("its flags are %#x, not interval", flags)
	}
	return s, a.fail("a set")
}
