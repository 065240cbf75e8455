package nftables

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/netns/netnstest"
	"shunt/plan"
)

// The read of the leftovers once renewed the generation of the backend's own,
// so that rules that had changed in between were written over.
func TestAReadOfTheLeftoversRenewsNoSnapshot(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		old := read(t, b)
		ns.Exec(t, "add table inet shunt\n", "nft", "-f", "-")
		if _, err := b.Leftovers().Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Find(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Apply(context.Background(), old, desired(standard())); n != 0 || !errors.Is(err, apply.ErrStale) {
			t.Errorf("%d commits, %v; want none, and ErrStale", n, err)
		}
		if n, err := b.Clear(context.Background(), old); n != 0 || err != nil {
			t.Errorf("clearing what an older snapshot has not: %d commits, %v", n, err)
		}
		if !strings.Contains(ns.Exec(t, "", "nft", "list", "tables"), "table inet shunt") {
			t.Error("a table that came later was deleted")
		}
	})
}

// An Apply that no Read came before once went out with generation 0, which the
// kernel does not check, and doubled the rules.
func TestWithoutASnapshotOfItsOwnNothingIsWritten(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		makeLive(t, b, standard())
		other := open(t)
		found, err := b.Find(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		left, err := b.Leftovers().Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		whole := read(t, b)
		for name, s := range map[string]apply.Snapshot{
			"none":                       nil,
			"a nil one":                  (*snapshot)(nil),
			"one of another backend":     read(t, other),
			"one of the leftovers":       left,
			"one without its generation": &snapshot{by: b, tables: whole.tables, whole: true},
			"one of a Find":              found,
		} {
			if n, err := b.Apply(context.Background(), s, desired(bare())); n != 0 || !errors.Is(err, apply.ErrNoSnapshot) {
				t.Errorf("apply with %s: %d commits, %v", name, n, err)
			}
			if name == "one of a Find" {
				continue
			}
			if n, err := b.Clear(context.Background(), s); n != 0 || !errors.Is(err, apply.ErrNoSnapshot) {
				t.Errorf("clear with %s: %d commits, %v", name, n, err)
			}
		}
		if n, err := b.Leftovers().Clear(context.Background(), whole); n != 0 || !errors.Is(err, apply.ErrNoSnapshot) {
			t.Errorf("clear of the leftovers: %d commits, %v", n, err)
		}
		if got := read(t, b); got.gen != whole.gen || !got.State().Equal(b.Expand(standard())) {
			t.Error("something was written")
		}
	})
}

func TestOpenNeedsWhatWaitsForPackets(t *testing.T) {
	t.Parallel()
	if _, err := Open(Options{}); err == nil {
		t.Error("opened")
	}
}

// Find's state is empty if and only if Read's is, and is enough to clear.
func TestFindIsEnoughToClear(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		find := func() apply.Snapshot {
			s, err := b.Find(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := find(); !s.State().Empty() {
			t.Errorf("found %+v where nothing is", s.State())
		}
		makeLive(t, b, standard())
		var places []string
		s := find()
		for _, sec := range s.State().Sections {
			places = append(places, sec.Place.String())
		}
		if !slices.Equal(places, []string{"inet shunt"}) {
			t.Errorf("found %q", places)
		}
		if n, err := b.Clear(context.Background(), s); n != 1 || err != nil {
			t.Errorf("%d commits, %v", n, err)
		}
		if s := find(); !s.State().Empty() {
			t.Errorf("left: %+v", s.State())
		}
	})
}

// Whatever was applied before, in whatever order, what is live then is what a
// first run makes, but for sets under their second names; and nothing in it
// names another plan.
func TestNothingTellsOfWhatWasAppliedBefore(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	const seed = 11
	rnd := rand.New(rand.NewPCG(seed, seed))
	within(t, func(ns *netnstest.NS, b *Backend) {
		for step := range 60 {
			p := randomPlan(rnd)
			makeLive(t, b, p)
			if step%3 > 0 {
				continue
			}
			got := canonical(ns.Exec(t, "", "nft", "list", "ruleset"))
			var want string
			within(t, func(fresh *netnstest.NS, b *Backend) {
				makeLive(t, b, p)
				want = canonical(fresh.Exec(t, "", "nft", "list", "ruleset"))
			})
			if got != want {
				t.Fatalf("step %d of seed %d:\n%s\na first run makes\n%s", step, seed, got, want)
			}
			for line := range strings.Lines(got) {
				if _, named, found := strings.Cut(line, " plan "); found && !strings.HasPrefix(named, p.Hash()) {
					t.Errorf("step %d of seed %d names another plan than %s: %s", step, seed, p.Hash(), line)
				}
			}
			if n := strings.Count(got, " plan "); n != 2 {
				t.Errorf("step %d of seed %d: the plan is named %d times, want once a chain", step, seed, n)
			}
		}
	})
}

// randomPlan returns a plan with some of standard's rules, and lists of its own.
func randomPlan(rnd *rand.Rand) plan.Plan {
	p := standard()
	p.IPv6 = rnd.IntN(4) > 0
	p.Inbound[0].Match.DstPorts = randomPorts(rnd)
	p.Inbound[1].Match.Src = randomPrefixes(rnd)
	p.Outbound[5].Match.Dst = randomPrefixes(rnd)
	p.Outbound[2].Match.UID = append([]plan.IDRange{{First: 0, Last: rnd.Uint32N(3)}}, plan.IDRange{First: 10, Last: 10 + rnd.Uint32N(3)})[:1+rnd.IntN(2)]
	drop := func(r plan.Rule) bool {
		return rnd.IntN(4) == 0 && r.Verdict.Kind != plan.Redirect
	}
	p.Inbound, p.Outbound = slices.DeleteFunc(p.Inbound, drop), slices.DeleteFunc(p.Outbound, drop)
	if !p.IPv6 {
		withoutIPv6(p.Inbound)
		withoutIPv6(p.Outbound)
	}
	return p
}

// withoutIPv6 takes the IPv6 prefixes out of lists, as plan.Build does.
func withoutIPv6(rules []plan.Rule) {
	v4 := parse("10.0.0.0/8")
	for i := range rules {
		m := &rules[i].Match
		if len(m.Src) > 0 {
			m.Src = v4
		}
		if len(m.Dst) > 0 {
			m.Dst = v4
		}
	}
}

// canonical returns nft's text with the sets sorted, and under their first names.
func canonical(text string) string {
	text = strings.NewReplacer(secondName+" ", " ", secondName+"\n", "\n").Replace(text)
	blocks := strings.Split(text, "\n\n")
	slices.Sort(blocks[1:])
	for i, b := range blocks {
		blocks[i] = strings.TrimPrefix(b, "table inet shunt {\n")
		blocks[i] = strings.TrimPrefix(blocks[i], "table ip shunt {\n")
	}
	slices.Sort(blocks)
	return strings.Join(blocks, "\n\n")
}

// Killed after any transaction, the next run completes.
func TestEveryInterruptedRunIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	v4 := with(bare(), func(p *plan.Plan) { p.IPv6 = false })
	other := with(standard(), func(p *plan.Plan) {
		p.Inbound[0] = skipPorts("skip-inbound-ports", 22, 22)
		p.Inbound[1].Match.Src = parse("192.0.2.0/24", "fd00::/8")
	})
	damage := "delete chain inet shunt inbound\nadd chain inet shunt inbound { type nat hook prerouting priority -90; }\n"
	for _, tc := range []struct {
		name   string
		have   plan.Plan
		script string
		want   plan.Plan
	}{
		{name: "nothing was live", want: standard()},
		{name: "lists changed", have: standard(), want: other},
		{name: "IPv6 was switched off", have: standard(), want: v4},
		{name: "the table was rebuilt", have: standard(), script: damage, want: other},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for done, last := 0, false; !last; done++ {
				within(t, func(ns *netnstest.NS, b *Backend) {
					if tc.have.Inbound != nil {
						makeLive(t, b, tc.have)
					}
					ns.Exec(t, tc.script, "nft", "-f", "-")
					s := read(t, b)
					list := decide(s.tables, shape(tc.want), "v0 plan 0", limits{})
					last = done == len(list)
					if n, err := b.send(context.Background(), s.gen, list[:done]); n != done || err != nil {
						t.Fatalf("%d of %d commits: %v", n, done, err)
					}
					makeLive(t, b, tc.want)
					if tables := strings.TrimSpace(ns.Exec(t, "", "nft", "list", "tables")); tables != "table "+tableFor(tc.want).String() {
						t.Errorf("after %d transactions: %s", done, tables)
					}
				})
			}
		})
	}
}

// The words of a transaction are what it does: nft takes them, and what is live
// then is the plan.
func TestNftTakesTheWordsOfATransaction(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		for _, p := range []plan.Plan{standard(), bare(), with(bare(), func(p *plan.Plan) { p.IPv6 = false }), standard()} {
			for _, x := range decide(read(t, b).tables, shape(p), "v0 plan 0", limits{}) {
				var words []string
				for _, o := range x.ops {
					words = append(words, o.String()+"\n")
				}
				ns.Exec(t, strings.Join(words, ""), "nft", "-f", "-")
			}
			if got := read(t, b).State(); !got.Equal(b.Expand(p)) {
				t.Fatalf("got  %+v\nwant %+v", got, b.Expand(p))
			}
		}
	})
}

// A table that another program owns can be read, and neither changed nor
// deleted: that is said before anything is written.
func TestATableThatAnotherProgramOwns(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		owner := open(t)
		gen, err := owner.sock.generation(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.sock.commit([]op{ownedTable{tableFor(standard())}}, gen); err != nil {
			t.Skipf("needs tables with owners, of Linux 5.12: %v", err)
		}
		s := read(t, b)
		if _, err := b.Apply(context.Background(), s, desired(standard())); !errors.Is(err, ErrOwned) || strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("apply: %v", err)
		}
		if _, err := b.Clear(context.Background(), s); !errors.Is(err, ErrOwned) {
			t.Errorf("clear: %v", err)
		}
		if after := read(t, b); after.gen != s.gen || len(after.tables) != 1 {
			t.Errorf("something was written: %+v", after.State())
		}
		err = b.sock.commit([]op{delTable(owned(s))}, s.gen)
		if !errors.Is(err, ErrOwned) || !errors.Is(err, unix.EPERM) {
			t.Errorf("the kernel's refusal: %v", err)
		}
		owner.Close() // and with it the table goes
		makeLive(t, b, standard())
	})
}

func owned(s *snapshot) ownedTable { return ownedTable{s.tables[0].tableID} }

// ownedTable makes a table that only the socket that makes it can change.
type ownedTable struct{ table tableID }

func (o ownedTable) String() string { return "add table " + o.table.String() + " { flags owner; }" }
func (o ownedTable) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() { e.u32(unix.NFTA_TABLE_FLAGS, flagOwner) })
}

// What holds more than any plan is not read to its end: it is drift, and is
// replaced, and deleted without being read.
func TestWhatIsTooLargeIsDriftAndGoes(t *testing.T) {
	t.Parallel()
	id := tableFor(bare())
	ports := make([]interval, maxRanges+1)
	for i := range ports {
		ports[i] = interval{key{lo: uint64(4 * i)}, key{lo: uint64(4*i + 1)}}
	}
	sets, rules := []op{}, []op{addChain{id, inboundChain}}
	for i := range maxSets + 1 {
		sets = append(sets, addSet{id, "x" + strconv.Itoa(i), portKey})
	}
	for range maxRules + 1 {
		rules = append(rules, addRule{id, inboundChain, kernelRule{Rule: redirect("x", 1)}, "x"})
	}
	for _, tc := range []struct {
		name string
		ops  []op
		want string
	}{
		{"a set", []op{addSet{id, "x", uidKey}, addElements{elements{id, "x", uidKey, ports}}}, "too large to compare: more than 65536 ranges in set x"},
		{"sets", sets, "too large to compare: more than 32 sets"},
		{"rules", rules, "too large to compare: more than 1000 rules"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			within(t, func(_ *netnstest.NS, b *Backend) {
				enlarge := func() {
					s := read(t, b)
					if _, err := b.send(context.Background(), s.gen, []transaction{{ops: append([]op{addTable{id}}, tc.ops...)}}); err != nil {
						t.Fatal(err)
					}
				}
				enlarge()
				got := read(t, b).State()
				if len(got.Sections) != 1 || !slices.Equal(got.Sections[0].Stray, []string{tc.want}) {
					t.Fatalf("got %+v", got)
				}
				makeLive(t, b, bare())
				if _, err := b.Clear(context.Background(), read(t, b)); err != nil {
					t.Fatal(err)
				}
				enlarge()
				s, err := b.Find(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if n, err := b.Clear(context.Background(), s); n != 1 || err != nil {
					t.Errorf("%d commits, %v", n, err)
				}
			})
		})
	}
}

// A socket that was closed to end a long dump is opened again only in its own
// namespace.
func TestASocketIsNotOpenedAgainInAnotherNamespace(t *testing.T) {
	t.Parallel()
	here, there := netnstest.New(t), netnstest.New(t)
	var b *Backend
	here.Run(t, func() { b = open(t) })
	if b.sock.cookie == 0 {
		t.Skip("needs SO_NETNS_COOKIE, of Linux 5.14")
	}
	b.sock.close()
	there.Run(t, func() {
		if _, err := b.Read(context.Background()); err == nil {
			t.Error("it read another namespace's rules")
		}
	})
	here.Run(t, func() { read(t, b) })
}

// The bound is one of time, not of tries: a writer that never pauses holds a
// read up until then and no longer.
func TestAReadEndsBesideAWriterThatNeverPauses(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		writer := open(t)
		ctx, cancel := context.WithCancel(context.Background())
		reads := 0
		_, err := b.sock.consistent(ctx, func(ctx context.Context) error {
			if reads++; reads == 300 { // more than any number of tries was
				cancel()
			}
			gen, err := writer.sock.generation(context.Background())
			if err != nil {
				return err
			}
			return writer.sock.commit([]op{addTable{tableID{unix.NFPROTO_INET, "other"}}, delTable{tableID{unix.NFPROTO_INET, "other"}}}, gen)
		})
		if !errors.Is(err, context.Canceled) || reads < 300 {
			t.Errorf("after %d reads: %v", reads, err)
		}
	})
}
