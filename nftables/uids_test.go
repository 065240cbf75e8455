package nftables

import (
	"context"
	"errors"
	"slices"
	"testing"

	"shunt/netns/netnstest"
	"shunt/plan"
)

// A list that is longer than it may be is refused before anything is touched.
func TestAListThatIsTooLongIsRefused(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		p := standard()
		p.Outbound[2].Match.UID = manyIDs(maxRanges + 1)
		if n, err := b.Apply(context.Background(), read(t, b), desired(p)); n != 0 || !errors.Is(err, ErrTooManyRanges) {
			t.Errorf("%d commits, %v", n, err)
		}
		if s := read(t, b).State(); !s.Empty() {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// A tenant's list of alternating ids is a set and one rule.
func TestAsManyUIDsAsAreAllowed(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		p := bare()
		p.Outbound = slices.Insert(p.Outbound, 1, plan.Rule{Name: "skip-outbound-uids", Match: plan.Match{UID: manyIDs(maxRanges)}})
		makeLive(t, b, p)
		if rules := read(t, b).tables[0].chain(outboundChain).rules; len(rules) != 3 {
			t.Errorf("%d rules, want 3", len(rules))
		}
	})
}

func manyIDs(n int) []plan.IDRange {
	ids := make([]plan.IDRange, n)
	for i := range ids {
		ids[i] = plan.IDRange{First: uint32(2 * i), Last: uint32(2 * i)}
	}
	return ids
}
