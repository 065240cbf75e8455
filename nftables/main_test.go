package nftables

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"

	"shunt/apply"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/plan"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// standard is a plan with a list of each kind.
func standard() plan.Plan {
	return plan.Plan{
		IPv6: true,
		Inbound: []plan.Rule{
			skipPorts("skip-inbound-ports", 4190, 4191),
			{Name: "skip-subnets", Match: plan.Match{Src: parse("10.0.0.0/8", "fd00::/8")}},
			redirect("redirect-inbound", 4143),
		},
		Outbound: []plan.Rule{
			{Name: "proxy-uid", Match: plan.Match{UID: []plan.IDRange{{First: 2102, Last: 2102}}}},
			{Name: "proxy-gid", Match: plan.Match{GID: []plan.IDRange{{First: 7, Last: 7}}}},
			{Name: "skip-outbound-uids", Match: plan.Match{UID: []plan.IDRange{{First: 0, Last: 0}, {First: 1000, Last: 1999}}}},
			{Name: "loopback", Match: plan.Match{OutInterface: "lo"}},
			skipPorts("skip-outbound-ports", 3306, 3306),
			{Name: "skip-outbound-subnets", Match: plan.Match{Dst: parse("192.0.2.0/24", "2001:db8::/32")}},
			redirect("redirect-outbound", 4140),
		},
	}
}

// bare is the smallest plan: no list, so no set.
func bare() plan.Plan {
	return plan.Plan{
		IPv6:    true,
		Inbound: []plan.Rule{redirect("redirect-inbound", 4143)},
		Outbound: []plan.Rule{
			{Name: "proxy-uid", Match: plan.Match{UID: []plan.IDRange{{First: 2102, Last: 2102}}}},
			redirect("redirect-outbound", 4140),
		},
	}
}

// skipPorts is a rule with the ranges first-last, first-last.
func skipPorts(name string, bounds ...uint16) plan.Rule {
	r := plan.Rule{Name: name, Match: plan.Match{TCP: true}}
	for i := 0; i < len(bounds); i += 2 {
		r.Match.DstPorts = append(r.Match.DstPorts, plan.PortRange{First: bounds[i], Last: bounds[i+1]})
	}
	return r
}

func redirect(name string, port uint16) plan.Rule {
	return plan.Rule{Name: name, Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: port}}
}

func parse(prefixes ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range prefixes {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// manyPorts returns n ranges of one and two ports, and others for another seed.
func manyPorts(name string, n int, seed uint64) plan.Rule {
	r := plan.Rule{Name: name, Match: plan.Match{TCP: true}}
	rnd := rand.New(rand.NewPCG(seed, 0))
	for port := 1; len(r.Match.DstPorts) < n && port < 65530; port += 3 + rnd.IntN(65530/n-4) {
		r.Match.DstPorts = append(r.Match.DstPorts, plan.PortRange{First: uint16(port), Last: uint16(port + rnd.IntN(2))})
	}
	return r
}

// within runs f in a fresh namespace with a backend for it.
func within(t *testing.T, f func(ns *netnstest.NS, b *Backend)) {
	t.Helper()
	ns := netnstest.New(t)
	ns.Run(t, func() { f(ns, open(t)) })
}

// open returns a backend for the calling thread's namespace.
func open(tb testing.TB) *Backend {
	tb.Helper()
	b, err := Open(Options{Settle: netns.Settle})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	return b
}

// desired returns a plan with its stamp.
func desired(p plan.Plan) apply.Desired {
	return apply.Desired{Plan: p, Stamp: apply.Stamp{Version: "v0", Plan: p.Hash()}}
}

// makeLive reads, applies, reads back, and returns the number of commits.
func makeLive(t *testing.T, b *Backend, p plan.Plan) int {
	t.Helper()
	n, err := b.Apply(context.Background(), read(t, b), desired(p))
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	if got := read(t, b).State(); !got.Equal(b.Expand(p)) {
		t.Fatalf("live differs from the plan:\n got %+v\nwant %+v", got, b.Expand(p))
	}
	return n
}

func read(t *testing.T, b *Backend) *snapshot {
	t.Helper()
	s, err := b.Read(context.Background())
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return s.(*snapshot)
}
