package nftables

import (
	"slices"
	"testing"

	"shunt/netns/netnstest"
	"shunt/plan"
)

// Lists that change together, or under other rules, must not be seen half
// changed: each of them is filled under its other name before the rules change.
func TestListsThatMustNotBeSeenHalfChanged(t *testing.T) {
	t.Parallel()
	skipped := func(p plan.Plan, bounds ...uint16) plan.Plan {
		p.Inbound = slices.Clone(p.Inbound)
		p.Inbound[0] = skipPorts("skip-inbound-ports", bounds...)
		return p
	}
	sources := func(p plan.Plan, prefixes ...string) plan.Plan {
		p.Inbound = slices.Clone(p.Inbound)
		p.Inbound[1].Match.Src = parse(prefixes...)
		return p
	}
	listed := func(p plan.Plan, bounds ...uint16) plan.Plan {
		p.Inbound = slices.Clone(p.Inbound)
		p.Inbound[2].Match.DstPorts = skipPorts("", bounds...).Match.DstPorts
		return p
	}
	const inbound4, inbound6 = "skip-subnets-ipv4", "skip-subnets-ipv6"
	for _, tc := range []struct {
		name    string
		to      plan.Plan
		commits int
		sets    []string // of the inbound chain, afterwards
	}{
		{"one list under the same rules changes in its place", skipped(standard(), 22, 22), 1,
			[]string{"skip-inbound-ports", inbound4, inbound6}},
		{"what ports lose, subnets gain", sources(skipped(standard(), 22, 22), "10.0.0.0/8", "192.0.2.0/24", "fd00::/8"), 2,
			[]string{"skip-inbound-ports-2", inbound4 + "-2", inbound6}},
		{"one list changes with the rules", listed(skipped(standard(), 22, 22), 80, 80), 2,
			[]string{"skip-inbound-ports-2", inbound4, inbound6, "redirect-inbound"}},
		{"the rules change and no list", listed(standard(), 80, 80), 2,
			[]string{"skip-inbound-ports", inbound4, inbound6, "redirect-inbound"}},
		{"lists of the two directions do not meet", func() plan.Plan {
			p := skipped(standard(), 22, 22)
			p.Outbound = slices.Clone(p.Outbound)
			p.Outbound[4] = skipPorts("skip-outbound-ports", 22, 22)
			return p
		}(), 1, []string{"skip-inbound-ports", inbound4, inbound6}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			within(t, func(_ *netnstest.NS, b *Backend) {
				makeLive(t, b, standard())
				if got := makeLive(t, b, tc.to); got != tc.commits {
					t.Errorf("%d commits, want %d", got, tc.commits)
				}
				if got := setsOf(read(t, b), tc.to); !slices.Equal(got, tc.sets) {
					t.Errorf("sets %v, want %v", got, tc.sets)
				}
				makeLive(t, b, standard()) // and back, from whatever names there are
				if n, want := len(read(t, b).tables[0].sets), len(shape(standard()).sets); n != want {
					t.Errorf("%d sets are left, want %d", n, want)
				}
			})
		})
	}
}

// setsOf returns the sets that the inbound chain's lists are in.
func setsOf(s *snapshot, p plan.Plan) []string {
	var names []string
	for _, r := range shape(p).in {
		if l := s.tables[0].listOf(r.set); l != nil {
			names = append(names, l.name)
		}
	}
	return names
}

// A set that a killed run left unread may hold anything; the rule that comes to
// read it must not find that.
func TestUnreadSetIsFilledBeforeItsRule(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		makeLive(t, b, bare())
		ns.Exec(t, "add set inet shunt skip-inbound-ports { type inet_service; flags interval; elements = { 1-9 }; }", "nft", "-f", "-")
		if got := makeLive(t, b, standard()); got != 2 {
			t.Errorf("%d commits, want 2: the sets first", got)
		}
	})
}
