package nftables

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPrefixesAndIntervalsRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		prefixes  []string
		intervals int
	}{
		{"one address", []string{"10.0.0.1/32"}, 1},
		{"everything, IPv4", []string{"0.0.0.0/0"}, 1},
		{"everything, IPv6", []string{"::/0"}, 1},
		{"neighbours become one interval", []string{"10.0.0.0/24", "10.0.1.0/25"}, 1},
		{"an odd start and an odd end", []string{"10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/32"}, 1},
		{"apart", []string{"10.0.0.0/24", "10.0.2.0/24"}, 2},
		{"up to the highest address", []string{"255.255.255.254/31"}, 1},
		{"IPv6 across the 64th bit", []string{"2001:db8::/63", "2001:db8:0:2::/64", "2001:db8:0:3::/128"}, 1},
		{"the last IPv6 address", []string{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"}, 1},
		{"shorter than 64 bits", []string{"8000::/1"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in := parse(tc.prefixes...)
			iv := prefixIntervals(in)
			if len(iv) != tc.intervals {
				t.Errorf("%d intervals, want %d", len(iv), tc.intervals)
			}
			if got := prefixes(iv, in[0].Addr().BitLen()/8); !slices.Equal(got, in) {
				t.Errorf("back: %v", got)
			}
		})
	}
}

func TestDeltaTurnsOneListIntoTheOther(t *testing.T) {
	t.Parallel()
	const seed = 3
	rnd := rand.New(rand.NewPCG(seed, seed))
	for range 2000 {
		old, want := portIntervals(randomPorts(rnd)), portIntervals(randomPorts(rnd))
		del, add := delta(old, want)
		got := slices.DeleteFunc(slices.Clone(old), func(i interval) bool { return slices.Contains(del, i) })
		got = append(got, add...)
		slices.SortFunc(got, interval.compare)
		if !slices.Equal(got, want) {
			t.Fatalf("old %v, want %v: delete %v, add %v (seed %d)", old, want, del, add, seed)
		}
		for _, i := range del {
			if slices.Contains(add, i) {
				t.Fatalf("%v is deleted and added (seed %d)", i, seed)
			}
		}
	}
}

// boundsOf is what a dump of the set would hold, in the order of adding.
func boundsOf(tb testing.TB, s set) (out []bound) {
	tb.Helper()
	add := addElements{elements{tableID{unix.NFPROTO_INET, tableName}, s.name, s.kind, s.elems}}
	for _, body := range encoded(tb, unix.NFT_MSG_NEWSETELEM, add) {
		var err error
		if out, err = decodeElements(out, body, &liveSet{set: s}); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

func TestJoinReadsBoundsInAnyOrder(t *testing.T) {
	t.Parallel()
	const seed = 5
	rnd := rand.New(rand.NewPCG(seed, seed))
	for range 500 {
		want := portIntervals(randomPorts(rnd))
		for order := range 3 {
			b := boundsOf(t, set{kind: portKey, elems: want})
			switch order {
			case 1:
				slices.Reverse(b)
			case 2:
				rnd.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
			}
			s := liveSet{set: set{kind: portKey}}
			s.join(b)
			if s.mismatch != "" || !slices.Equal(s.elems, want) {
				t.Fatalf("order %d of %v: %v %q (seed %d)", order, want, s.elems, s.mismatch, seed)
			}
		}
	}
}

func TestJoinRefusesWhatIsNoListOfIntervals(t *testing.T) {
	t.Parallel()
	port := func(n uint64) key { return key{lo: n} }
	for name, bounds := range map[string][]bound{
		"an end without a start": {{port(5), true}},
		"two starts in a row":    {{port(5), false}, {port(6), false}, {port(8), true}},
		"two ends in a row":      {{port(5), false}, {port(6), true}, {port(8), true}},
	} {
		s := liveSet{set: set{kind: portKey}}
		if s.join(bounds); s.mismatch == "" {
			t.Errorf("%s: taken for %v", name, s.elems)
		}
	}
}

func TestKeysOfEveryWidth(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"0.0.0.0", "10.1.2.3", "255.255.255.255", "::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		addr := netip.MustParseAddr(a)
		k := addrKey(addr)
		if got := k.addr(addr.BitLen() / 8); got != addr {
			t.Errorf("%s came back as %s", a, got)
		}
		if k.next().prev() != k {
			t.Errorf("%s: one up and one down is not the same", a)
		}
	}
}
