package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shunt/config"
)

// brief writes a chain as "name: match -> verdict" lines.
func brief(rules []Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, r.Name+": "+r.Match.String()+" -> "+r.Verdict.String())
	}
	return out
}

func subnets(t *testing.T, text string) config.SubnetSet {
	t.Helper()
	s, _, err := config.ParseSubnets(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBuild(t *testing.T) {
	t.Parallel()
	const (
		allIn = "redirect-inbound: tcp -> redirect to :4143"
		uid   = "proxy-uid: socket owner's uid 2102 -> bypass"
		lo    = "loopback: leaves by lo -> bypass"
		out   = "redirect-outbound: tcp -> redirect to :4140"
	)
	for _, tc := range []struct {
		name string
		set  func(*config.Config)
		in   []string
		out  []string
	}{{
		name: "the standard values",
		set:  func(c *config.Config) { *c = config.Standard() },
		in:   []string{"skip-inbound-ports: tcp, destination port 4190-4191,4567-4568 -> bypass", allIn},
		out:  []string{uid, lo, "skip-outbound-ports: tcp, destination port 4567-4568 -> bypass", out},
	}, {
		name: "nothing is skipped where nothing is listed",
		set:  func(*config.Config) {},
		in:   []string{allIn},
		out:  []string{uid, lo, out},
	}, {
		name: "skipped ports come before skipped subnets, and both before the redirect",
		set: func(c *config.Config) {
			c.SkipSubnets = subnets(t, "10.0.0.0/8,fd00::/8")
			c.SkipInboundPorts = config.PortSet{{First: 80, Last: 80}}
		},
		in: []string{"skip-inbound-ports: tcp, destination port 80 -> bypass",
			"skip-subnets: source 10.0.0.0/8,fd00::/8 -> bypass", allIn},
		out: []string{uid, lo, out},
	}, {
		name: "listed ports replace the redirect of all",
		set:  func(c *config.Config) { c.PortsToRedirect = config.PortSet{{First: 80, Last: 81}} },
		in:   []string{"redirect-inbound: tcp, destination port 80-81 -> redirect to :4143"},
		out:  []string{uid, lo, out},
	}, {
		name: "inbound can be confined to the pod's own addresses",
		set:  func(c *config.Config) { c.InboundLocalOnly = true },
		in:   []string{"redirect-inbound: tcp, destination is the pod's own address -> redirect to :4143"},
		out:  []string{uid, lo, out},
	}, {
		name: "uid, gid, other uids, loopback, ports, subnets, in this order",
		set: func(c *config.Config) {
			c.ProxyGID = 7
			c.SkipOutboundUIDs = config.IDSet{{First: 0, Last: 0}, {First: 1000, Last: 1999}}
			c.SkipOutboundPorts = config.PortSet{{First: 3306, Last: 3306}}
			c.SkipOutboundSubnets = subnets(t, "192.0.2.0/24,2001:db8::/32")
		},
		in: []string{allIn},
		out: []string{uid, "proxy-gid: socket owner's gid 7 -> bypass",
			"skip-outbound-uids: socket owner's uid 0,1000-1999 -> bypass", lo,
			"skip-outbound-ports: tcp, destination port 3306 -> bypass",
			"skip-outbound-subnets: destination 192.0.2.0/24,2001:db8::/32 -> bypass", out},
	}, {
		name: "uid 0 is exempt when it is given",
		set:  func(c *config.Config) { c.ProxyUID = 0 },
		in:   []string{allIn},
		out:  []string{"proxy-uid: socket owner's uid 0 -> bypass", lo, out},
	}, {
		name: "gid 0 exempts nothing",
		set:  func(c *config.Config) { c.ProxyGID = 0 },
		in:   []string{allIn},
		out:  []string{uid, lo, out},
	}, {
		name: "a gid can stand alone",
		set:  func(c *config.Config) { c.ProxyUID, c.ProxyGID = config.NoID, 9 },
		in:   []string{allIn},
		out:  []string{"proxy-gid: socket owner's gid 9 -> bypass", lo, out},
	}, {
		name: "with IPv6 off its subnets have no rule to stand in",
		set: func(c *config.Config) {
			c.IPv6 = false
			c.SkipSubnets = subnets(t, "10.0.0.0/8,fd00::/8")
			c.SkipOutboundSubnets = subnets(t, "fd00::/8")
		},
		in:  []string{"skip-subnets: source 10.0.0.0/8 -> bypass", allIn},
		out: []string{uid, lo, out},
	}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := config.Linkerd()
			c.InboundPort, c.OutboundPort, c.ProxyUID = 4143, 4140, 2102
			tc.set(&c)
			p := Build(c)
			if got := brief(p.Inbound); !slices.Equal(got, tc.in) {
				t.Errorf("inbound:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tc.in, "\n     "))
			}
			if got := brief(p.Outbound); !slices.Equal(got, tc.out) {
				t.Errorf("outbound:\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tc.out, "\n     "))
			}
			if p.IPv6 != c.IPv6 {
				t.Errorf("IPv6 is %v, want %v", p.IPv6, c.IPv6)
			}
			for _, r := range slices.Concat(p.Inbound, p.Outbound) {
				if r.Reason == "" {
					t.Errorf("rule %s has no reason", r.Name)
				}
			}
		})
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	c := config.Standard()
	c.IPv6, c.ProxyGID = true, 7
	c.SkipInboundPorts = config.PortSet{{First: 80, Last: 90}}
	c.SkipOutboundPorts = config.PortSet{{First: 3306, Last: 3306}}
	c.SkipSubnets = subnets(t, "10.1.0.0/16")
	c.SkipOutboundSubnets = subnets(t, "192.0.2.0/24")
	c.SkipOutboundUIDs = config.IDSet{{First: 500, Last: 599}}

	in := func(from, to string) Flow {
		return Flow{TCP: true, Src: netip.MustParseAddr(from), Dst: netip.MustParseAddrPort(to), DstLocal: true}
	}
	out := func(uid, gid uint32, dev, to string) Flow {
		return Flow{Direction: Outbound, TCP: true, Dst: netip.MustParseAddrPort(to), UID: uid, GID: gid, OutInterface: dev}
	}
	udp := out(1, 1, "eth0", "10.0.0.1:53")
	udp.TCP = false

	for _, tc := range []struct {
		name string
		set  func(*config.Config)
		flow Flow
		rule string // of the deciding rule, "" for none
		want string
	}{
		{"an ordinary port is redirected", nil, in("10.0.0.1", "10.0.0.2:8080"), "redirect-inbound", "redirect to :4143"},
		{"the first skipped port bypasses", nil, in("10.0.0.1", "10.0.0.2:80"), "skip-inbound-ports", "bypass"},
		{"the last skipped port bypasses", nil, in("10.0.0.1", "10.0.0.2:90"), "skip-inbound-ports", "bypass"},
		{"one before the range is redirected", nil, in("10.0.0.1", "10.0.0.2:79"), "redirect-inbound", "redirect to :4143"},
		{"one behind the range is redirected", nil, in("10.0.0.1", "10.0.0.2:91"), "redirect-inbound", "redirect to :4143"},
		{"a skipped source bypasses", nil, in("10.1.9.9", "10.0.0.2:8080"), "skip-subnets", "bypass"},
		{"a source of the other family does not", nil, in("fd00::1", "[fd00::2]:8080"), "redirect-inbound", "redirect to :4143"},
		{"a mapped address counts as IPv4", nil, in("::ffff:10.1.9.9", "[::ffff:10.0.0.2]:8080"), "skip-subnets", "bypass"},
		{"forwarded traffic is redirected", nil, Flow{TCP: true, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("10.9.9.9:1")}, "redirect-inbound", "redirect to :4143"},
		{"forwarded traffic is left alone with inbound-local-only", func(c *config.Config) { c.InboundLocalOnly = true },
			Flow{TCP: true, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddrPort("10.9.9.9:1")}, "", "bypass"},
		{"IPv6 is untouched when it is off", func(c *config.Config) { c.IPv6 = false }, in("fd00::1", "[fd00::2]:8080"), "", "bypass"},

		{"the application is redirected", nil, out(1000, 1000, "eth0", "10.0.0.5:80"), "redirect-outbound", "redirect to :4140"},
		{"the proxy's uid leaves", nil, out(2102, 1, "eth0", "10.0.0.5:80"), "proxy-uid", "bypass"},
		{"the proxy's gid leaves", nil, out(1, 7, "eth0", "10.0.0.5:80"), "proxy-gid", "bypass"},
		{"the proxy's uid comes first", nil, out(2102, 7, "lo", "10.0.0.5:3306"), "proxy-uid", "bypass"},
		{"other users can be exempt", nil, out(599, 1, "eth0", "10.0.0.5:80"), "skip-outbound-uids", "bypass"},
		{"loopback bypasses", nil, out(1, 1, "lo", "127.0.0.1:80"), "loopback", "bypass"},
		{"a skipped port bypasses", nil, out(1, 1, "eth0", "10.0.0.5:3306"), "skip-outbound-ports", "bypass"},
		{"a skipped destination bypasses", nil, out(1, 1, "eth0", "192.0.2.255:80"), "skip-outbound-subnets", "bypass"},
		{"UDP is never touched", nil, udp, "", "bypass"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := c
			if tc.set != nil {
				tc.set(&c)
			}
			d := Build(c).Decide(tc.flow)
			if d.Rule.Name != tc.rule || d.Verdict.String() != tc.want {
				t.Errorf("decided by %q: %s; want %q: %s", d.Rule.Name, d.Verdict, tc.rule, tc.want)
			}
			if (d.Index < 0) != (tc.rule == "") {
				t.Errorf("index %d for rule %q", d.Index, tc.rule)
			}
		})
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	base := Build(config.Standard())
	if a, b := base.Hash(), Build(config.Standard()).Hash(); a != b || len(a) != 12 {
		t.Errorf("the same plan has hashes %q and %q", a, b)
	}
	seen := map[string]string{base.Hash(): "the standard values"}
	for name, set := range map[string]func(*config.Config){
		"IPv6":          func(c *config.Config) { c.IPv6 = true },
		"another port":  func(c *config.Config) { c.InboundPort++ },
		"one skip more": func(c *config.Config) { c.SkipOutboundPorts = config.PortSet{{First: 1, Last: 1}} },
		"a subnet":      func(c *config.Config) { c.SkipSubnets = subnets(t, "10.0.0.0/8") },
		"the same subnet, outbound": func(c *config.Config) {
			c.SkipOutboundSubnets = subnets(t, "10.0.0.0/8")
		},
	} {
		c := config.Standard()
		set(&c)
		h := Build(c).Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
}
