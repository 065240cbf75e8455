package plan

import (
	"net/netip"

	"shunt/config"
)

// Loopback is the name of the loopback interface, the same in every Linux
// network namespace (drivers/net/loopback.c).
const Loopback = "lo"

// Build returns the rule set that a validated configuration asks for. It does
// not check the configuration: config.Validate does.
func Build(c config.Config) Plan {
	return Plan{Inbound: inbound(c), Outbound: outbound(c), IPv6: c.IPv6}
}

func inbound(c config.Config) []Rule {
	var rules []Rule
	if len(c.SkipInboundPorts) > 0 {
		rules = append(rules, Rule{
			Name:   "skip-inbound-ports",
			Reason: "these ports are served without the proxy, or by the proxy itself",
			Match:  Match{TCP: true, DstPorts: c.SkipInboundPorts},
		})
	}
	if src := families(c.SkipSubnets, c.IPv6); len(src) > 0 {
		rules = append(rules, Rule{
			Name:   "skip-subnets",
			Reason: "connections from these addresses reach the application directly",
			Match:  Match{Src: src},
		})
	}
	redirect := Rule{
		Name:    "redirect-inbound",
		Reason:  "every other inbound connection goes to the proxy",
		Match:   Match{TCP: true, DstLocal: c.InboundLocalOnly},
		Verdict: Verdict{Kind: Redirect, Port: c.InboundPort},
	}
	if len(c.PortsToRedirect) > 0 {
		redirect.Match.DstPorts = c.PortsToRedirect
		redirect.Reason = "inbound connections to the listed ports go to the proxy"
	}
	return append(rules, redirect)
}

func outbound(c config.Config) []Rule {
	var rules []Rule
	if c.ProxyUID != config.NoID {
		rules = append(rules, Rule{
			Name:   "proxy-uid",
			Reason: "the proxy's own connections leave, otherwise they would loop back to it forever",
			Match:  Match{UID: oneID(c.ProxyUID)},
		})
	}
	if gid := c.ExemptGID(); gid != config.NoID {
		rules = append(rules, Rule{
			Name:   "proxy-gid",
			Reason: "the proxy's own connections leave, recognised by their group",
			Match:  Match{GID: oneID(gid)},
		})
	}
	if len(c.SkipOutboundUIDs) > 0 {
		rules = append(rules, Rule{
			Name:   "skip-outbound-uids",
			Reason: "processes of these users talk to the network directly",
			Match:  Match{UID: c.SkipOutboundUIDs},
		})
	}
	rules = append(rules, Rule{
		Name:   "loopback",
		Reason: "connections within the pod stay within the pod",
		Match:  Match{OutInterface: Loopback},
	})
	if len(c.SkipOutboundPorts) > 0 {
		rules = append(rules, Rule{
			Name:   "skip-outbound-ports",
			Reason: "connections to these ports go to their destination directly",
			Match:  Match{TCP: true, DstPorts: c.SkipOutboundPorts},
		})
	}
	if dst := families(c.SkipOutboundSubnets, c.IPv6); len(dst) > 0 {
		rules = append(rules, Rule{
			Name:   "skip-outbound-subnets",
			Reason: "connections to these addresses go to their destination directly",
			Match:  Match{Dst: dst},
		})
	}
	return append(rules, Rule{
		Name:    "redirect-outbound",
		Reason:  "every other outbound connection goes to the proxy",
		Match:   Match{TCP: true},
		Verdict: Verdict{Kind: Redirect, Port: c.OutboundPort},
	})
}

func oneID(id config.ID) []IDRange {
	return []IDRange{{First: uint32(id), Last: uint32(id)}}
}

// families returns the prefixes that can be written: with IPv6 off, there is no
// rule that an IPv6 prefix could go in.
func families(s config.SubnetSet, ipv6 bool) []netip.Prefix {
	if ipv6 {
		return s
	}
	var v4 []netip.Prefix
	for _, p := range s {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		}
	}
	return v4
}
