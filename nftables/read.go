package nftables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ourTables returns the tables that belong to shunt: a name of ours, in a family
// that shunt uses. Whoever made one, shunt takes it over.
func ourTables() [4]tableID {
	return [...]tableID{
		{unix.NFPROTO_INET, tableName}, {unix.NFPROTO_IPV4, tableName},
		{unix.NFPROTO_INET, spareName}, {unix.NFPROTO_IPV4, spareName},
	}
}

// How much of a table is read at most: more than any plan needs. A plan has eight
// lists, each of which can be in two sets for a moment, and about ten rules a
// chain. The kernel takes up to a fifth of a second to list a set of maxElements.
const (
	maxElements = 2*maxRanges + 1 // a start and an end each, and nft's mark
	maxSets     = 32
	maxChains   = 1000
	maxRules    = 1000
)

// tooLarge is the error of a read that found more of something than a plan can
// have.
type tooLarge struct{ what string }

func (t *tooLarge) Error() string { return t.what }

func moreThan(n int, what string) error {
	return &tooLarge{fmt.Sprintf("more than %d %s", n, what)}
}

// readTime bounds a read, which is repeated while the rules keep changing. A read
// takes a third of a millisecond.
const readTime = 10 * time.Second

// consistent runs read until the kernel's generation is the same before and
// after it, and returns that generation. It gives up when the context ends, or
// after readTime.
func (s *socket) consistent(ctx context.Context, read func(context.Context) error) (uint32, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	for tries := 1; ; tries++ {
		gen, changed, err := s.once(ctx, read)
		if err == nil && !changed {
			return gen, nil
		}
		if ctx.Err() != nil && (changed || tries > 1) {
			return 0, fmt.Errorf("read the nftables rules: something keeps changing them: %d reads in %s found them changed: %w",
				tries, time.Since(start).Round(time.Millisecond), ctx.Err())
		}
		if err != nil {
			return 0, err
		}
		if tries > 20 {
			time.Sleep(time.Millisecond) // lets others run, the writer among them
		}
	}
}

// once runs read, and reports whether the rules changed meanwhile; otherwise they
// are those of the generation.
func (s *socket) once(ctx context.Context, read func(context.Context) error) (gen uint32, changed bool, err error) {
	if gen, err = s.generation(ctx); err != nil {
		return 0, false, err
	}
	readErr := read(ctx)
	// An object that was listed and is gone when its content is asked for
	// (ENOENT) shows a change, too.
	if readErr != nil && !errors.Is(readErr, errInterrupted) && !errors.Is(readErr, unix.ENOENT) {
		return 0, false, readErr
	}
	after, err := s.generation(ctx)
	if err != nil {
		return 0, false, err
	}
	if after != gen || errors.Is(readErr, errInterrupted) {
		return 0, true, nil
	}
	return gen, false, readErr
}

// generation returns the number of the kernel's current set of rules.
func (s *socket) generation(ctx context.Context) (gen uint32, err error) {
	err = s.request(ctx, unix.NFT_MSG_GETGEN, unix.NFPROTO_UNSPEC, 0, nil, func(_ byte, body []byte) error {
		a := attrs{rest: body}
		for a.next() {
			if a.kind == unix.NFTA_GEN_ID {
				gen = a.u32()
			}
		}
		return a.fail("the generation")
	})
	return gen, queryError("ask the kernel for its nftables generation", err)
}

// table asks for one table by its name, without its content; nil if there is
// none. Listing them all would take longer the more tables others have.
func (s *socket) table(ctx context.Context, id tableID) (found *liveTable, err error) {
	err = s.request(ctx, unix.NFT_MSG_GETTABLE, id.family, 0, appendString(nil, unix.NFTA_TABLE_NAME, id.name), func(family byte, body []byte) error {
		t, err := decodeTable(family, body)
		found = &t
		return err
	})
	if err == unix.ENOENT {
		return nil, nil
	}
	return found, queryError("look for table "+id.String(), err)
}

func decodeTable(family byte, body []byte) (liveTable, error) {
	const tableOwner = 7 // NFTA_TABLE_OWNER (linux/netfilter/nf_tables.h)
	t := liveTable{tableID: tableID{family: family}}
	a := attrs{rest: body}
	for a.next() {
		switch a.kind {
		case unix.NFTA_TABLE_NAME:
			t.name = a.str()
		case unix.NFTA_TABLE_FLAGS:
			t.flags = a.u32()
		case tableOwner:
			t.owner = a.u32()
		}
	}
	return t, a.fail("a table")
}

// content reads a table's chains, sets and rules.
func (s *socket) content(ctx context.Context, t *liveTable) error {
	err := s.chains(ctx, t, maxChains)
	if err == nil {
		err = s.sets(ctx, t, maxSets, decodeSet)
	}
	for i := range t.sets {
		if err == nil {
			err = s.elements(ctx, t.tableID, &t.sets[i])
		}
	}
	if err == nil {
		err = s.rules(ctx, t)
	}
	if large := (*tooLarge)(nil); errors.As(err, &large) {
		t.tooLarge = large.what
		return nil
	}
	return err
}

// chains lists a table's chains, and fails if there are more than most. The kernel
// filters this dump by family only.
func (s *socket) chains(ctx context.Context, t *liveTable, most int) error {
	err := s.dump(ctx, unix.NFT_MSG_GETCHAIN, t.family, nil, func(_ byte, body []byte) error {
		table, c, err := decodeChain(body)
		if err != nil || table != t.name {
			return err
		}
		if len(t.chains) == most {
			return moreThan(most, "chains")
		}
		t.chains = append(t.chains, c)
		return nil
	})
	return queryError("list the chains of table "+t.String(), err)
}

func (s *socket) sets(ctx context.Context, t *liveTable, most int, decode func([]byte) (liveSet, error)) error {
	err := s.dump(ctx, unix.NFT_MSG_GETSET, t.family, appendString(nil, unix.NFTA_SET_TABLE, t.name), func(_ byte, body []byte) error {
		if len(t.sets) == most {
			return moreThan(most, "sets")
		}
		set, err := decode(body)
		t.sets = append(t.sets, set)
		return err
	})
	return queryError("list the sets of table "+t.String(), err)
}

func (s *socket) rules(ctx context.Context, t *liveTable) error {
	n := 0
	err := s.dump(ctx, unix.NFT_MSG_GETRULE, t.family, appendString(nil, unix.NFTA_RULE_TABLE, t.name), func(_ byte, body []byte) error {
		if n++; n > maxRules {
			return moreThan(maxRules, "rules")
		}
		chain, rule, err := decodeRule(body, t.family, t.sets)
		if c := t.chain(chain); c != nil {
			c.rules = append(c.rules, rule)
		}
		return err
	})
	return queryError("read the rules of table "+t.String(), err)
}

func decodeChain(body []byte) (table string, c liveChain, err error) {
	is, base := false, baseChain{policy: nfAccept}
	a := attrs{rest: body}
	for a.next() {
		switch a.kind {
		case unix.NFTA_CHAIN_TABLE:
			table = a.str()
		case unix.NFTA_CHAIN_NAME:
			c.name = a.str()
		case unix.NFTA_CHAIN_TYPE:
			base.kind = a.str()
		case unix.NFTA_CHAIN_POLICY:
			base.policy = a.u32()
		case unix.NFTA_CHAIN_USE:
			c.use = a.u32()
		case unix.NFTA_CHAIN_HOOK:
			is = true
			h := a.nested()
			for h.next() {
				switch h.kind {
				case unix.NFTA_HOOK_HOOKNUM:
					base.hook = h.u32()
				case unix.NFTA_HOOK_PRIORITY:
					base.priority = int32(h.u32())
				}
			}
			if err := h.fail("a chain's hook"); err != nil {
				return table, c, err
			}
		}
	}
	if is {
		c.base, c.hook = base, applyHook(base.hook)
		c.spec = base.String()
	}
	return table, c, a.fail("a chain")
}

// decodeSet reads a set of ours without its elements.
func decodeSet(body []byte) (liveSet, error) {
	s, flags, err := decodeAnySet(body)
	if s.mismatch == "" && flags != unix.NFT_SET_INTERVAL {
		s.mismatch = fmt.Sprintf("its flags are %#x, not interval", flags)
	}
	return s, err
}

// decodeAnySet reads a set without its elements, and its flags.
func decodeAnySet(body []byte) (s liveSet, flags uint32, err error) {
	var kind, keyLen uint32
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
		case unix.NFTA_SET_USERDATA:
			s.comment = udata(a.data, udataSetComment)
		}
	}
	if s.kind = keyKindOf(kind, keyLen); s.kind == unknownKey {
		s.mismatch = fmt.Sprintf("its keys have type %d and %d bytes", kind, keyLen)
	}
	return s, flags, a.fail("a set")
}
