package nftables

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/plan"
)

func TestCommits(t *testing.T) {
	t.Parallel()
	v4 := standard()
	v4.IPv6 = false
	v4.Inbound[1].Match.Src = parse("10.0.0.0/8")
	v4.Outbound[5].Match.Dst = parse("192.0.2.0/24")
	other := standard()
	other.Inbound[0] = skipPorts("skip-inbound-ports", 22, 22, 4191, 4195)
	other.Outbound[6].Verdict.Port = 5140
	for _, tc := range []struct {
		name     string
		from, to plan.Plan
		want     int
	}{
		{"a fresh namespace: the sets, then the rules that read them", plan.Plan{}, standard(), 2},
		{"a fresh namespace without lists", plan.Plan{}, bare(), 1},
		{"lists and rules change in one commit", standard(), other, 1},
		{"lists that go, go with their rules", standard(), bare(), 1},
		{"lists that come are filled before their rules", bare(), standard(), 2},
		{"IPv6 off: the new table, then the old one goes", standard(), v4, 3},
		{"IPv6 on again", v4, standard(), 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			within(t, func(_ *netnstest.NS, b *Backend) {
				if tc.from.Inbound != nil {
					makeLive(t, b, tc.from)
				}
				if got := makeLive(t, b, tc.to); got != tc.want {
					t.Errorf("%d commits, want %d", got, tc.want)
				}
			})
		})
	}
}

// In a namespace where nothing connects yet, all that is new is one commit; what
// is there already is replaced as carefully as ever.
func TestIdleNamespaceTakesOneCommit(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		b.idle = true
		if got := makeLive(t, b, standard()); got != 1 {
			t.Errorf("fresh: %d commits, want 1", got)
		}
		if got := makeLive(t, b, bare()); got != 1 {
			t.Errorf("lists that go: %d commits, want 1", got)
		}
		if got := makeLive(t, b, standard()); got != 2 {
			t.Errorf("lists that come: %d commits, want 2", got)
		}
		v4 := bare()
		v4.IPv6 = false
		if got := makeLive(t, b, v4); got != 2 {
			t.Errorf("IPv6 off: %d commits, want 2", got)
		}
	})
}

func TestClearLeavesNothingAndOthersAlone(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		foreign := `table inet filter {
	chain mine {
		type filter hook input priority 0; policy accept;
		tcp dport 22 counter packets 5 bytes 300 accept comment "mine"
	}
}
table ip shunted {
}
`
		ns.Exec(t, foreign, "nft", "-f", "-")
		before := ns.Exec(t, "", "nft", "list", "ruleset")
		makeLive(t, b, standard())
		if _, err := b.Clear(context.Background(), read(t, b)); err != nil {
			t.Fatal(err)
		}
		if s := read(t, b).State(); !s.Empty() {
			t.Errorf("left behind: %+v", s)
		}
		if after := ns.Exec(t, "", "nft", "list", "ruleset"); after != before {
			t.Errorf("others' rules changed:\nbefore\n%s\nafter\n%s", before, after)
		}
		if n, err := b.Clear(context.Background(), read(t, b)); n != 0 || err != nil {
			t.Errorf("clearing nothing: %d commits, %v", n, err)
		}
	})
}

// Whatever somebody did to the table is seen, and the next Apply puts it
// right.
func TestTamperingIsSeenAndPutRight(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	for _, tc := range []struct{ name, script string }{
		{"a rule deleted", "flush chain inet shunt inbound"},
		{"a chain deleted", "delete chain inet shunt inbound"},
		{"a rule inserted", "insert rule inet shunt outbound tcp dport 1 accept"},
		{"a rule appended", "add rule inet shunt outbound tcp dport 1 accept"},
		{"an element added", "add element inet shunt skip-inbound-ports { 22 }"},
		{"an element deleted", "delete element inet shunt skip-outbound-ports { 3306 }"},
		{"a set emptied", "flush set inet shunt skip-subnets-ipv4"},
		{"an element with a timeout", "add set inet shunt skip-x { type inet_service; flags interval, timeout; }; add element inet shunt skip-x { 5 timeout 1h }"},
		{"a list's other set added and read", "add set inet shunt skip-inbound-ports-2 { type inet_service; flags interval; }; add rule inet shunt inbound tcp dport @skip-inbound-ports-2 accept"},
		{"a set added", "add set inet shunt extra { type inet_service; flags interval; }"},
		{"a set of another type under a name of ours", "flush chain inet shunt inbound; delete set inet shunt skip-inbound-ports; add set inet shunt skip-inbound-ports { type ipv4_addr; flags interval; }"},
		{"a set without intervals under a name of ours", "flush chain inet shunt inbound; delete set inet shunt skip-inbound-ports; add set inet shunt skip-inbound-ports { type inet_service; }"},
		{"a regular chain added", "add chain inet shunt extra"},
		{"a base chain added", "add chain inet shunt extra { type filter hook input priority 0; policy drop; }"},
		{"the policy changed", "add chain inet shunt inbound { policy drop; }"},
		{"the table made dormant", "add table inet shunt { flags dormant; }"},
		{"a base chain of another priority", "delete chain inet shunt inbound; add chain inet shunt inbound { type nat hook prerouting priority -90; }"},
		{"a regular chain under a name of ours", "delete chain inet shunt inbound; add chain inet shunt inbound"},
		{"a rate limit in a rule", "flush chain inet shunt inbound; add rule inet shunt inbound limit rate 1/second tcp dport 1-2 redirect to :4143"},
		{"a negated lookup", "flush chain inet shunt inbound; add rule inet shunt inbound tcp dport != @skip-inbound-ports accept"},
		{"the spare table of a killed rebuild", "add table inet shunt-spare; add chain inet shunt-spare inbound { type nat hook prerouting priority -100; }"},
		{"an older table beside it", "add table ip shunt; add chain ip shunt inbound { type nat hook prerouting priority -100; }; add rule ip shunt inbound meta l4proto tcp redirect to :1"},
		{"everything deleted", "delete table inet shunt"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			within(t, func(ns *netnstest.NS, b *Backend) {
				p := standard()
				makeLive(t, b, p)
				ns.Exec(t, strings.NewReplacer("; add", "\nadd", "; delete", "\ndelete").Replace(tc.script)+"\n", "nft", "-f", "-")
				if got := read(t, b).State(); got.Equal(b.Expand(p)) {
					t.Fatal("it is not seen")
				}
				makeLive(t, b, p)
				if tables := ns.Exec(t, "", "nft", "list", "tables"); strings.TrimSpace(tables) != "table inet shunt" {
					t.Errorf("tables left:\n%s", tables)
				}
			})
		})
	}
}

// The spare table of an interrupted rebuild may be what acts, so it is changed
// in place like any other.
func TestSpareTableThatActsIsChangedInPlace(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		spare := strings.ReplaceAll(Render(standard(), apply.Stamp{}), "inet shunt", "inet shunt-spare")
		ns.Exec(t, spare+"\ntable inet shunt { chain inbound { type nat hook prerouting priority -90; }; }\n", "nft", "-f", "-")
		// Change the spare table, delete the real one, make it in two, delete
		// the spare one.
		if got := makeLive(t, b, standard()); got != 5 {
			t.Errorf("%d commits, want 5", got)
		}
		if tables := ns.Exec(t, "", "nft", "list", "tables"); strings.TrimSpace(tables) != "table inet shunt" {
			t.Errorf("tables left:\n%s", tables)
		}
	})
}

// Rules that mean the same are no drift, however nft writes them.
func TestTheSameMeaningIsNoDrift(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		p := standard()
		ns.Exec(t, Render(p, apply.Stamp{Version: "somebody else's"}), "nft", "-f", "-")
		if got := read(t, b).State(); !got.Equal(b.Expand(p)) {
			t.Errorf("got  %+v\nwant %+v", got, b.Expand(p))
		}
	})
}

// A commit based on rules that changed since is refused, and nothing is written.
func TestStaleCommitIsRefused(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		old := read(t, b)
		ns.Exec(t, "add table inet other\n", "nft", "-f", "-")
		n, err := b.Apply(context.Background(), old, desired(standard()))
		if n != 0 || !errors.Is(err, apply.ErrStale) {
			t.Errorf("%d commits, %v; want none, and ErrStale", n, err)
		}
		if s := read(t, b).State(); !s.Empty() {
			t.Errorf("written all the same: %+v", s)
		}
		makeLive(t, b, standard())
	})
}

func TestWithoutCapabilityTheErrorNamesIt(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	ns.Run(t, func() {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with its capabilities gone
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			if err := ns.Do(func() error {
				if err := unix.Capset(&hdr, &make([]unix.CapUserData, 2)[0]); err != nil {
					return err
				}
				_, err := Open(Options{Settle: netns.Settle})
				return err
			}); err != nil {
				done <- err
				return
			}
			done <- nil
		}()
		err := <-done
		if err == nil || !strings.Contains(err.Error(), "CAP_NET_ADMIN") || !errors.Is(err, unix.EPERM) {
			t.Errorf("got %v, want an error that names CAP_NET_ADMIN", err)
		}
	})
}

func TestFiveThousandPortsInEachDirection(t *testing.T) {
	t.Parallel()
	within(t, func(_ *netnstest.NS, b *Backend) {
		p := standard()
		for seed := range uint64(3) {
			p.Inbound[0] = manyPorts("skip-inbound-ports", 5000, seed)
			p.Outbound[4] = manyPorts("skip-outbound-ports", 5000, seed+10)
			makeLive(t, b, p)
		}
	})
}

// Elements are changed one by one, so every pair of neighbouring lists has to
// come out right: ranges that grow, shrink, split, join and touch.
func TestChangingElementsInPlace(t *testing.T) {
	t.Parallel()
	const seed = 7
	within(t, func(_ *netnstest.NS, b *Backend) {
		rnd := rand.New(rand.NewPCG(seed, seed))
		for step := range 300 {
			p := standard()
			p.Inbound[0] = plan.Rule{Name: "skip-inbound-ports", Match: plan.Match{TCP: true, DstPorts: randomPorts(rnd)}}
			p.Inbound[1].Match.Src = randomPrefixes(rnd)
			if rnd.IntN(4) == 0 {
				p.Inbound = p.Inbound[rnd.IntN(3):]
			}
			if rnd.IntN(20) == 0 {
				p.IPv6 = false
				for i := range p.Inbound {
					p.Inbound[i].Match.Src = slices.DeleteFunc(p.Inbound[i].Match.Src, func(p netip.Prefix) bool { return p.Addr().Is6() })
				}
				p.Outbound[5].Match.Dst = parse("192.0.2.0/24")
				p.Inbound = slices.DeleteFunc(p.Inbound, func(r plan.Rule) bool {
					return r.Name == "skip-subnets" && len(r.Match.Src) == 0
				})
			}
			if _, err := b.Apply(context.Background(), read(t, b), desired(p)); err != nil {
				t.Fatalf("step %d of seed %d: %v", step, seed, err)
			}
			if got := read(t, b).State(); !got.Equal(b.Expand(p)) {
				t.Fatalf("step %d of seed %d:\n got %+v\nwant %+v", step, seed, got, b.Expand(p))
			}
		}
	})
}

// randomPorts returns up to 12 ranges from a small space, so that successive
// lists meet, with both ends of the port range among them.
func randomPorts(rnd *rand.Rand) []plan.PortRange {
	edges := []int{0, 1, 2, 3, 10, 11, 12, 13, 14, 20, 30, 31, 40, 65530, 65533, 65534, 65535}
	var out []plan.PortRange
	next := 0
	for i := 0; i < len(edges) && len(out) < 12; i++ {
		if rnd.IntN(2) == 0 || edges[i] < next {
			continue
		}
		last := edges[i+rnd.IntN(min(3, len(edges)-i))]
		out = append(out, plan.PortRange{First: uint16(edges[i]), Last: uint16(last)})
		next = last + 2
	}
	if len(out) == 0 {
		return []plan.PortRange{{First: 0, Last: 65535}}
	}
	return out
}

func randomPrefixes(rnd *rand.Rand) []netip.Prefix {
	all := parse("0.0.0.0/8", "10.0.0.0/9", "10.128.0.0/16", "10.130.0.0/32", "192.0.2.128/25", "255.255.255.255/32",
		"::/128", "2001:db8::/33", "fd00::/8", "ff00::/8")
	var out []netip.Prefix
	for _, p := range all {
		if rnd.IntN(2) == 0 {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return parse("0.0.0.0/0", "::/0")
	}
	return out
}
