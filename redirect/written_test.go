package redirect

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/nftables"
	"shunt/plan"
)

// The plan is recovered from the rules of either backend, so that rules can be
// held against their own stamp by who does not know the settings; and no rule can
// be missing, doubled or moved unnoticed.
func TestRulesAreHeldAgainstTheirOwnStamp(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(16, 1))
	for range 200 {
		p := plan.Build(randomConfig(rnd))
		for name, expand := range map[string]func(plan.Plan) apply.State{
			"nftables": (&nftables.Backend{}).Expand, "iptables": (&iptables.Backend{}).Expand,
		} {
			written := func() apply.State {
				s := expand(p)
				for i, sec := range s.Sections {
					if last := len(sec.Rules) - 1; sec.Rules[last].Jump == "" {
						s.Sections[i].Rules = slices.Clone(sec.Rules)
						s.Sections[i].Rules[last].Stamp = apply.Stamp{Version: "v1", Plan: p.Hash()}
					}
				}
				return s
			}
			s := written()
			if stamp, ok := apply.AsWritten(s, expand); !ok || stamp.Plan != p.Hash() {
				got, recovered := apply.Recover(s)
				t.Fatalf("%s: stamp %v, recovered %v\n%+v\nwant\n%+v", name, stamp, recovered, got, p)
			}
			for i := range s.Sections {
				for n := range s.Sections[i].Rules {
					less := written()
					less.Sections[i].Rules = slices.Delete(slices.Clone(less.Sections[i].Rules), n, n+1)
					more := written()
					more.Sections[i].Rules = slices.Insert(slices.Clone(more.Sections[i].Rules), n, apply.Rule{Rule: plan.Rule{Match: plan.Match{TCP: true, GID: []plan.IDRange{{First: 7, Last: 7}}}}})
					for change, s := range map[string]apply.State{"missing": less, "added": more} {
						if _, ok := apply.AsWritten(s, expand); ok {
							t.Fatalf("%s: rule %d of %v is %s, and nobody notices", name, n, s.Sections[i].Place, change)
						}
					}
				}
			}
			if n := len(s.Sections[1].Rules); n > 1 && s.Sections[1].Rules[0].Jump == "" {
				slices.Reverse(s.Sections[1].Rules)
				if _, ok := apply.AsWritten(s, expand); ok {
					t.Fatalf("%s: rules in another order, and nobody notices", name)
				}
			}
		}
	}
}

// Rules that were written for IPv4 alone, because the kernel cannot do more, name
// the plan that they make an exception from.
func TestRulesWithAnExceptionAreHeldAgainstTheirOwnStamp(t *testing.T) {
	t.Parallel()
	cfg := config.Standard()
	cfg.IPv6 = true
	p := plan.Build(cfg)
	stamp := apply.Stamp{Version: "v1", Plan: p.Hash(), Exception: apply.ExceptionNoIPv6NAT}
	p.IPv6 = false
	expand := (&nftables.Backend{}).Expand
	s := expand(p)
	s.Sections[0].Rules[0].Stamp = stamp
	if got, ok := apply.AsWritten(s, expand); !ok || got != stamp {
		t.Errorf("%v, %v", got, ok)
	}
}

func randomConfig(r *rand.Rand) config.Config {
	c := config.Standard()
	c.IPv6, c.InboundLocalOnly = r.IntN(2) == 0, r.IntN(2) == 0
	for _, list := range []*config.PortSet{&c.SkipInboundPorts, &c.SkipOutboundPorts, &c.PortsToRedirect} {
		*list = nil
		for next := 1 + r.IntN(50); next < 3000 && r.IntN(20) > 0; next += 2 + r.IntN(200) {
			last := next + r.IntN(2)*r.IntN(10)
			*list = append(*list, config.PortRange{First: uint16(next), Last: uint16(last)})
			next = last
		}
	}
	for _, list := range []*config.SubnetSet{&c.SkipSubnets, &c.SkipOutboundSubnets} {
		*list = nil
		for n := range r.IntN(4) {
			*list = append(*list, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(10 * (n + 1))}), 8))
		}
		if *list == nil && r.IntN(3) == 0 {
			*list = config.SubnetSet{netip.MustParsePrefix("0.0.0.0/0")}
		}
		for n := range r.IntN(3) {
			*list = append(*list, netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, byte(n)}), 16))
		}
	}
	c.SkipOutboundUIDs = nil
	for n := range r.IntN(4) {
		c.SkipOutboundUIDs = append(c.SkipOutboundUIDs, config.IDRange{First: uint32(100 * n), Last: uint32(100*n + r.IntN(3))})
	}
	if r.IntN(2) == 0 {
		c.ProxyGID = 7
	}
	return c
}
