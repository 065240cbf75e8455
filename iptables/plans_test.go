package iptables

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

// standard is Linkerd's standard configuration.
func standard() plan.Plan {
	return plan.Plan{
		IPv6: true,
		Inbound: []plan.Rule{
			{Name: "skip-inbound-ports", Match: plan.Match{TCP: true, DstPorts: ports("4190-4191,4567-4568")}},
			{Name: "redirect-inbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}},
		},
		Outbound: []plan.Rule{
			{Name: "proxy-uid", Match: plan.Match{UID: []plan.IDRange{{First: 2102, Last: 2102}}}},
			{Name: "loopback", Match: plan.Match{OutInterface: "lo"}},
			{Name: "skip-outbound-ports", Match: plan.Match{TCP: true, DstPorts: ports("4567-4568")}},
			{Name: "redirect-outbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4140}},
		},
	}
}

// everything uses every kind of match that a plan has.
func everything() plan.Plan {
	p := standard()
	p.Inbound = []plan.Rule{
		{Name: "skip-inbound-ports", Match: plan.Match{TCP: true, DstPorts: ports("0,22,25,80-90,443,1000,1002,1004,1006,1008,1010,1012,1014,1016,1018,1020,65535")}},
		{Name: "skip-subnets", Match: plan.Match{Src: prefixList("10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "2001:db8::1/128", "::ffff:10.0.0.0/104")}},
		{Name: "redirect-inbound", Match: plan.Match{TCP: true, DstLocal: true, DstPorts: ports("80,8080-8090")}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}},
	}
	p.Outbound = []plan.Rule{
		{Name: "proxy-uid", Match: plan.Match{UID: []plan.IDRange{{First: 2102, Last: 2102}}}},
		{Name: "proxy-gid", Match: plan.Match{GID: []plan.IDRange{{First: 4294967294, Last: 4294967294}}}},
		{Name: "skip-outbound-uids", Match: plan.Match{UID: []plan.IDRange{{First: 0, Last: 0}, {First: 1000, Last: 2000}, {First: 3000, Last: 4294967294}}}},
		{Name: "loopback", Match: plan.Match{OutInterface: "lo"}},
		{Name: "skip-outbound-ports", Match: plan.Match{TCP: true, DstPorts: ports("0-65535")}},
		{Name: "skip-outbound-subnets", Match: plan.Match{Dst: prefixList("0.0.0.0/0", "fe80::/10")}},
		{Name: "redirect-outbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4140}},
	}
	return p
}

// large skips n ports that do not touch each other, in each direction.
func large(n int) plan.Plan {
	p := standard()
	list := make([]plan.PortRange, n)
	for i := range list {
		list[i] = plan.PortRange{First: uint16(2*i + 1), Last: uint16(2*i + 1)}
	}
	p.Inbound[0].Match.DstPorts = list
	p.Outbound[2].Match.DstPorts = list
	return p
}

// randomPlan returns a small plan of the shapes that plan.Build makes.
func randomPlan(r *rand.Rand) plan.Plan {
	pick := func(rules []plan.Rule) []plan.Rule {
		return slices.DeleteFunc(rules, func(r0 plan.Rule) bool { return r0.Verdict.Kind == plan.Bypass && r.IntN(2) == 0 })
	}
	p := plan.Plan{IPv6: r.IntN(2) == 0}
	p.Inbound = pick([]plan.Rule{
		{Name: "skip-inbound-ports", Match: plan.Match{TCP: true, DstPorts: randomPorts(r)}},
		{Name: "skip-subnets", Match: plan.Match{Src: randomPrefixes(r)}},
		{Name: "redirect-inbound", Match: plan.Match{TCP: true, DstLocal: r.IntN(2) == 0}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 1 + uint16(r.IntN(65535))}},
	})
	if r.IntN(3) == 0 {
		p.Inbound[len(p.Inbound)-1].Match.DstPorts = randomPorts(r)
	}
	p.Outbound = pick([]plan.Rule{
		{Name: "proxy-uid", Match: plan.Match{UID: randomIDs(r)[:1]}},
		{Name: "proxy-gid", Match: plan.Match{GID: randomIDs(r)[:1]}},
		{Name: "skip-outbound-uids", Match: plan.Match{UID: randomIDs(r)}},
		{Name: "loopback", Match: plan.Match{OutInterface: "lo"}},
		{Name: "skip-outbound-ports", Match: plan.Match{TCP: true, DstPorts: randomPorts(r)}},
		{Name: "skip-outbound-subnets", Match: plan.Match{Dst: randomPrefixes(r)}},
		{Name: "redirect-outbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 1 + uint16(r.IntN(65535))}},
	})
	return p
}

func randomPorts(r *rand.Rand) []plan.PortRange {
	var list []plan.PortRange
	for next := r.IntN(100); next < 1<<16 && len(list) < 40; next += 2 + r.IntN(5000) {
		last := next
		if r.IntN(3) == 0 {
			last = min(next+r.IntN(200), 1<<16-1)
		}
		list = append(list, plan.PortRange{First: uint16(next), Last: uint16(last)})
		next = last
	}
	return list
}

func randomIDs(r *rand.Rand) []plan.IDRange {
	var list []plan.IDRange
	for next := uint64(r.IntN(10)); next < 1<<32-1 && len(list) < 4; next += 2 + uint64(r.Uint32()>>r.IntN(32)) {
		list = append(list, plan.IDRange{First: uint32(next), Last: uint32(next)})
	}
	return list
}

func randomPrefixes(r *rand.Rand) []netip.Prefix {
	var list []netip.Prefix
	for range 1 + r.IntN(4) {
		if r.IntN(2) == 0 {
			a := netip.AddrFrom4([4]byte{byte(1 + r.IntN(220)), byte(r.IntN(256)), 3, 4})
			list = append(list, netip.PrefixFrom(a, r.IntN(33)).Masked())
			continue
		}
		a := netip.AddrFrom16([16]byte{0x20, 1, byte(r.IntN(256)), byte(r.IntN(256)), 15: byte(r.IntN(256))})
		list = append(list, netip.PrefixFrom(a, r.IntN(129)).Masked())
	}
	return list
}

func ports(list string) []plan.PortRange {
	var out []plan.PortRange
	for one := range strings.SplitSeq(list, ",") {
		var a, b uint16
		if n, _ := fmt.Sscanf(one, "%d-%d", &a, &b); n == 1 {
			b = a
		}
		out = append(out, plan.PortRange{First: a, Last: b})
	}
	return out
}

func prefixList(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// textOf writes a state for people.
func textOf(b *Backend, s apply.State) string {
	var t strings.Builder
	for _, section := range s.Sections {
		t.WriteString(section.Place.String() + "\n")
		for _, r := range section.Rules {
			t.WriteString("  " + b.Line(r) + "\n")
		}
	}
	return t.String()
}
