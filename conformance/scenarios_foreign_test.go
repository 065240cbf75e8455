package conformance

import (
	"fmt"
	"net/netip"
	"strings"

	"shunt/netns/netnstest"
)

// foreignScenarios are about rules that are not shunt's.
func foreignScenarios() []scenario {
	list := []scenario{}
	for _, holder := range []string{"nftables", "iptables-nft", "iptables-legacy"} {
		list = append(list, scenario{
			name:   "foreign-rules-" + holder,
			reason: "rules of others in " + holder + " keep their content, order and counters, and a nat rule that comes first still acts",
			flags:  []string{"--skip-ports", "9000"},
			flows: all(inbound(redirected, 80), inbound(bypassed, 9000), outbound(redirected, 80), outbound(bypassed, 9000),
				outbound(bypassed, 80).as(proxyUID, 0)),
			run: func(s *stage, fs flows) { s.besideForeign(holder, fs) },
		})
	}
	return append(list, scenario{
		name:   "foreign-chains-of-the-same-name",
		reason: "tables and chains named like shunt's, elsewhere, are not shunt's",
		flows:  all(inbound(redirected, 80), inbound(bypassed, 4190), outbound(redirected, 80)),
		run: func(s *stage, fs flows) {
			const text = `table ip6 shunt { chain inbound { type filter hook input priority 0; counter accept; }; }
table inet shunted { chain outbound { type filter hook output priority 0; counter accept; }; }
table arp shunt { chain inbound { counter; }; }
table inet mine { chain PROXY_INIT_REDIRECT { counter; }; }
`
			names := []string{"ip6 shunt", "inet shunted", "arp shunt", "inet mine"}
			s.Pod.Exec(s, text, "nft", "-f", "-")
			tables := func() (b string) {
				for _, n := range names {
					b += s.tool("nft", append([]string{"-a", "-s", "list", "table"}, strings.Fields(n)...)...)
				}
				return b
			}
			before := tables()
			s.init()
			s.check(fs)
			s.diff()
			s.clear()
			if after := tables(); after != before {
				s.Errorf("tables of others changed:\n%s\nthey were:\n%s", after, before)
			}
		},
	})
}

// Ports that foreign rules of these tests are about.
const (
	foreignPort  = 7000 // redirected to foreignTo by a foreign rule
	foreignTo    = 7001
	foreignCount = 7002 // only counted
)

// besideForeign lets rules of others stand before shunt comes, and looks at
// them after each of its runs.
func (s *stage) besideForeign(holder string, fs flows) {
	s.addForeign(holder)
	s.listen(all(inbound(bypassed, foreignTo, foreignCount), outbound(bypassed, foreignTo, foreignCount), fs))
	count := func() { // gives the counters something to count
		s.check(all(inbound(bypassed, foreignCount)))
	}
	count()
	before := s.foreign(holder)
	unchanged := func(what string) {
		s.Helper()
		if after := s.foreign(holder); after != before {
			s.Errorf("%s changed rules of others:\n%s\nthey were:\n%s", what, after, before)
		}
	}
	for _, step := range []struct {
		what  string
		flags []string
	}{
		{"init", s.flags},
		{"an unchanged init", s.flags},
		{"a changed init", []string{"--skip-ports", "9000,9002-9100", "--skip-outbound-uids", "4000"}},
	} {
		s.flags = step.flags
		s.init()
		unchanged(step.what)
		s.foreignActs(holder)
		s.check(fs)
		s.diff()
		before = s.foreign(holder) // with what the connections added to the counters
	}
	s.clear()
	unchanged("clear")
	s.foreignActs(s.name)
}

// foreignActs checks that the foreign redirection is what decides where it
// comes first: before shunt's jump in the same chain of iptables, or in a table
// of nftables by its priority. Of base chains of one priority, which a table
// of nftables and the two variants of iptables are to each other, the one that
// was made last comes first (nf_hook_entries_grow in net/netfilter/core.c).
func (s *stage) foreignActs(holder string) {
	s.Helper()
	if holder != "nftables" && holder != s.name {
		return
	}
	for _, a := range s.addrs(pod) {
		to := netip.AddrPortFrom(a, foreignPort)
		got := answerOr(netnstest.Dial(s.Client, netnstest.DialOptions{To: to}))
		if want := fmt.Sprintf("app %v", netip.AddrPortFrom(a, foreignTo)); got != want {
			s.Errorf("the connection to %v, which a foreign rule redirects: %q, want %q", to, got, want)
		}
		figures.add("flows", 1)
	}
	for _, a := range s.addrs(server) {
		to := netip.AddrPortFrom(a, foreignPort)
		got := answerOr(netnstest.Dial(s.Pod, netnstest.DialOptions{To: to}))
		local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
		if a.Is6() {
			local = netip.IPv6Loopback()
		}
		if want := fmt.Sprintf("app %v", netip.AddrPortFrom(local, foreignTo)); got != want {
			s.Errorf("the outbound connection to %v, which a foreign rule redirects: %q, want %q", to, got, want)
		}
		figures.add("flows", 1)
	}
}

// addForeign writes somebody else's rules: in nat a redirection and a counter,
// in filter counters, chains of their own, and what stands after.
func (s *stage) addForeign(holder string) {
	s.Helper()
	if holder == "nftables" {
		s.Pod.Exec(s, fmt.Sprintf(`table inet foreign {
	set ports { type inet_service; flags interval; elements = { %[1]d, 7100-7200 }; }
	chain inbound { type nat hook prerouting priority -101; tcp dport %[1]d counter redirect to :%[2]d; tcp dport %[3]d counter; }
	chain outbound { type nat hook output priority -101; tcp dport %[1]d counter redirect to :%[2]d; }
	chain after { type nat hook postrouting priority 100; tcp dport %[3]d counter accept; }
	chain forward { type filter hook forward priority 0; policy accept; tcp dport @ports counter; }
}
table ip other { chain PREROUTING { type nat hook prerouting priority -99; tcp dport %[3]d counter; }; }
`, foreignPort, foreignTo, foreignCount), "nft", "-f", "-")
		return
	}
	variant{name: holder}.need(s)
	var lines []string
	for _, ip := range []string{"ip", "ip6"} {
		cmd := ip + strings.TrimPrefix(holder, "ip") + " -t "
		lines = append(lines,
			cmd+"nat -N FOREIGN",
			cmd+fmt.Sprintf("nat -A FOREIGN -p tcp --dport %d -m comment --comment 'not shunt/inbound, -j PROXY_INIT_REDIRECT' -j REDIRECT --to-ports %d", foreignPort, foreignTo),
			cmd+"nat -A PREROUTING -j FOREIGN",
			cmd+fmt.Sprintf("nat -A PREROUTING -p tcp --dport %d", foreignCount),
			cmd+"nat -A OUTPUT -p tcp --dport 1 -j ACCEPT",
			cmd+"nat -A OUTPUT -j FOREIGN",
			cmd+"nat -A POSTROUTING -p tcp --dport 2 -j RETURN",
			cmd+"filter -N PROXY_INIT_LOOKALIKE",
			cmd+fmt.Sprintf("filter -A INPUT -p tcp --dport %d -j PROXY_INIT_LOOKALIKE", foreignCount),
			cmd+"filter -A FORWARD -p tcp --dport 3 -j DROP",
		)
	}
	s.script(lines...)
}

// foreign returns the rules of others, with order and counters. Lines of
// shunt's are left out of it; a lookalike of the tests' stays.
func (s *stage) foreign(holder string) string {
	s.Helper()
	if holder == "nftables" {
		return s.tool("nft", "-a", "list", "table", "inet", "foreign") + s.tool("nft", "-a", "list", "table", "ip", "other")
	}
	var b strings.Builder
	for line := range strings.Lines(s.saved(holder)) {
		ours := strings.Contains(line, "shunt/") && !strings.Contains(line, "not shunt/") ||
			strings.HasPrefix(line, ":PROXY_INIT_REDIRECT ") || strings.HasPrefix(line, ":PROXY_INIT_OUTPUT ")
		if !ours {
			b.WriteString(line)
		}
	}
	return b.String()
}
