package nftables

import (
	"context"
	"slices"
	"sort"

	"golang.org/x/sys/unix"
)

// bound is one element of an interval set: where an interval starts, or one
// past where it ends.
type bound struct {
	key key
	end bool
}

// elements reads a set's elements and joins them to intervals.
func (s *socket) elements(ctx context.Context, t tableID, set *liveSet) error {
	if set.mismatch != "" {
		return nil
	}
	request := appendString(nil, unix.NFTA_SET_ELEM_LIST_TABLE, t.name)
	request = appendString(request, unix.NFTA_SET_ELEM_LIST_SET, set.name)
	if s.bounds == nil {
		s.bounds = make([]bound, 0, 1<<13) // memory that is never touched costs nothing
	}
	bounds := s.bounds[:0]
	err := s.dump(ctx, unix.NFT_MSG_GETSETELEM, t.family, request, func(_ byte, body []byte) (err error) {
		bounds, err = decodeElements(bounds, body, set)
		if len(bounds) > maxElements {
			return moreThan(maxRanges, "ranges in set "+set.name)
		}
		return err
	})
	if err != nil {
		return queryError("read set "+set.name+" of table "+t.String(), err)
	}
	set.join(bounds)
	s.bounds = bounds
	return nil
}

// decodeElements reads one message of a set's elements.
func decodeElements(bounds []bound, body []byte, set *liveSet) ([]bound, error) {
	a := attrs{rest: body}
	for a.next() {
		if a.kind != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		list := a.nested()
		for list.next() {
			b, err := decodeElement(list.nested(), set)
			if err != nil {
				return nil, err
			}
			bounds = append(bounds, b)
		}
		if err := list.fail("a set's elements"); err != nil {
			return nil, err
		}
	}
	return bounds, a.fail("a set's elements")
}

func decodeElement(a attrs, set *liveSet) (b bound, err error) {
	width := set.kind.width()
	for a.next() {
		switch a.kind {
		case unix.NFTA_SET_ELEM_KEY:
			value := dataValue(a.data)
			if len(value) != width {
				a.err = errMalformed
				break
			}
			b.key = keyOf(value)
		case unix.NFTA_SET_ELEM_FLAGS:
			b.end = a.u32()&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_USERDATA: // a comment or nft's open-interval mark
		case unix.NFTA_SET_ELEM_PAD:
		default: // a timeout, an expression, data: no element of ours has them
			set.mismatch = "an element carries more than its key"
		}
	}
	return b, a.fail("a set's element")
}

// join turns the bounds, in any order, into intervals. The kernel's dump comes
// in descending order for some set types and ascending for others.
func (set *liveSet) join(bounds []bound) {
	descending := func(a, b bound) int {
		if c := b.key.compare(a.key); c != 0 {
			return c
		}
		return btoi(a.end) - btoi(b.end) // the next interval starts where one ends
	}
	if slices.IsSortedFunc(bounds, func(a, b bound) int { return -descending(a, b) }) {
		// ascending already
	} else {
		if !slices.IsSortedFunc(bounds, descending) {
			sort.Slice(bounds, func(i, j int) bool { return descending(bounds[i], bounds[j]) < 0 })
		}
		slices.Reverse(bounds)
	}
	if set.single {
		for _, b := range bounds {
			set.elems = append(set.elems, interval{b.key, b.key})
		}
		return
	}
	if len(bounds) > 0 && bounds[0].end && bounds[0].key == (key{}) {
		bounds = bounds[1:] // nft marks the gap below the first interval
	}
	set.elems = make([]interval, 0, len(bounds)/2+1)
	for i := 0; i < len(bounds); i++ {
		b := bounds[i]
		switch {
		case b.end:
			set.mismatch = "an interval ends that did not start"
			return
		case i+1 == len(bounds):
			set.elems = append(set.elems, interval{b.key, highest(set.kind.width())})
		case !bounds[i+1].end:
			set.mismatch = "an interval starts within another"
			return
		default:
			set.elems = append(set.elems, interval{b.key, bounds[i+1].key.prev()})
			i++
		}
	}
}
