package plan

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"shunt/config"
)

// respelt returns rules with the same effect: bypasses that stand beside each other
// in another order, lists cut in two, names and reasons gone.
func respelt(r *rand.Rand, rules []Rule) []Rule {
	var out []Rule
	for start := 0; start < len(rules); {
		end := start + 1
		for end < len(rules) && rules[end].Verdict == rules[start].Verdict {
			end++
		}
		var run []Rule
		for _, rule := range rules[start:end] {
			rule.Name, rule.Reason = "", ""
			if n := len(rule.Match.DstPorts); n > 1 {
				cut := 1 + r.IntN(n-1)
				rest := rule
				rest.Match.DstPorts = rule.Match.DstPorts[cut:]
				rule.Match.DstPorts = rule.Match.DstPorts[:cut]
				run = append(run, rest)
			}
			run = append(run, rule)
		}
		r.Shuffle(len(run), func(i, j int) { run[i], run[j] = run[j], run[i] })
		out = append(out, run...)
		start = end
	}
	return out
}

// Another spelling is recognized, and whatever is taken for one decides every
// connection alike.
func TestSameEffect(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(16, 2))
	ports := func() (out config.PortSet) {
		for range rnd.IntN(4) {
			p := uint16(80 + rnd.IntN(6))
			out = out.Union(config.PortSet{{First: p, Last: p + uint16(rnd.IntN(2))}})
		}
		return out
	}
	random := func() Plan {
		c := config.Standard()
		c.IPv6 = rnd.IntN(4) == 0
		c.SkipInboundPorts, c.SkipOutboundPorts = ports(), ports()
		if rnd.IntN(2) == 0 {
			c.SkipSubnets = config.SubnetSet{netip.MustParsePrefix("10.0.0.0/8")}
		}
		if rnd.IntN(2) == 0 {
			c.SkipOutboundUIDs = config.IDSet{{First: 7, Last: 9}}
		}
		return Build(c)
	}
	alike := 0
	for range 2000 {
		a, b := random(), random()
		other := Plan{respelt(rnd, a.Inbound), respelt(rnd, a.Outbound), a.IPv6}
		if !a.SameEffect(other) || !other.SameEffect(a) {
			t.Fatalf("not recognized:\n%+v\n%+v", a, other)
		}
		same, decided := a.SameEffect(b), true
		for _, d := range []Direction{Inbound, Outbound} {
			for port := uint16(79); port < 90; port++ {
				for _, src := range []string{"10.1.1.1", "192.0.2.1"} {
					for _, uid := range []uint32{0, 8, 2102} {
						f := Flow{Direction: d, TCP: true, Src: netip.MustParseAddr(src), Dst: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), port), UID: uid, DstLocal: true}
						decided = decided && a.Decide(f).Verdict == b.Decide(f).Verdict
					}
				}
			}
		}
		if same && !decided || !same && decided && a.IPv6 == b.IPv6 {
			t.Fatalf("same effect %v, decided alike %v:\n%+v\n%+v", same, decided, a, b)
		}
		if same {
			alike++
		}
	}
	if alike == 0 {
		t.Error("no two plans were alike")
	}
	a := Build(config.Standard())
	b := a
	b.Outbound = slices.Clone(a.Outbound)
	slices.Reverse(b.Outbound)
	if a.SameEffect(b) {
		t.Error("a redirect before the bypasses is taken for the same")
	}
}
