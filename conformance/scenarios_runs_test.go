package conformance

import (
	"strings"

	"shunt/netns/netnstest"
)

func runScenarios() []scenario {
	return []scenario{
		{
			name:   "second-run",
			reason: "a run that finds its rules in place changes nothing, commits nothing, and keeps their counters",
			flags:  []string{"--skip-ports", "9000-9010", "--skip-subnets", "10.9.0.0/16,fd01:9::/32"},
			flows:  all(inbound(redirected, 80), inbound(bypassed, 9000), outbound(redirected, 80), outbound(bypassed, 9010)),
			run: func(s *stage, fs flows) {
				s.settle(fs)
				before := s.rules()
				if rep := s.init(); rep.Result != "unchanged" || rep.Commits != 0 {
					s.Errorf("the second run: %+v, want unchanged and 0 commits", rep)
				}
				if after := s.rules(); after != before {
					s.Errorf("the second run changed something:\n%s\nit was:\n%s", after, before)
				}
				s.check(fs)
			},
		},
		{
			name:   "changed-run",
			reason: "a run with another configuration replaces the first one's rules, whole",
			flags:  []string{"--skip-ports", "9000-9010"},
			flows:  all(inbound(redirected, 80), inbound(bypassed, 9000), outbound(redirected, 80), outbound(bypassed, 9010)),
			run: func(s *stage, fs flows) {
				s.settle(fs)
				s.flags = []string{"--skip-ports", "80,9010", "--ports-to-redirect", "9000", "--skip-outbound-subnets", "198.51.100.0/24,2001:db8::/32", "--proxy-uid", "1000"}
				rep := s.settle(all(inbound(redirected, 9000), inbound(bypassed, 80, 9001), outbound(bypassed, 80, 9010), outbound(redirected, 9000),
					outbound(bypassed, 443).at("198.51.100.1"), outbound(bypassed, 443).at("2001:db8::1"),
					outbound(bypassed, 443).as(1000, 0), outbound(redirected, 443).as(proxyUID, 0)))
				if rep.Result != "replaced" || rep.Commits == 0 {
					s.Errorf("the changed run: %+v, want replaced and at least one commit", rep)
				}
				s.flags = []string{"--skip-ports", "9000-9010"}
				s.settle(fs)
			},
		},
		{
			name:   "ipv6-switched",
			reason: "rules that covered IPv6 leave it when it is switched off, and take it when it is switched on",
			flows:  all(inbound(redirected, 80), inbound(bypassed, 4190), outbound(redirected, 80), outbound(bypassed, 4567)),
			run: func(s *stage, fs flows) {
				for range 2 {
					s.ipv6 = !s.ipv6
					s.settle(fs)
				}
			},
		},
		{
			name:   "cleared",
			reason: "clear leaves nothing behind, and says so the second time",
			flows:  all(inbound(redirected, 80), outbound(redirected, 80)),
			run: func(s *stage, fs flows) {
				s.settle(fs)
				for range 2 {
					s.clear()
					s.sole("none")
					s.check(all(inbound(bypassed, 80, 4190), outbound(bypassed, 80), between(client, behind, bypassed, 80)))
				}
				s.settle(fs)
			},
		},
		{
			name:   "dry-run",
			reason: "a dry run, a plan and a diff write nothing",
			flows:  all(inbound(bypassed, 80), outbound(bypassed, 80)),
			run: func(s *stage, fs flows) {
				for _, verb := range []string{"init", "plan", "diff"} {
					c := command{args: s.args(verb)}
					want := 0
					switch verb {
					case "init":
						c.args = append(c.args, "--dry-run")
					case "diff":
						want = 1 // everything is missing
					}
					if r := c.run(s, s.Pod); r.code != want || r.stdout == "" {
						s.Errorf("%s: exit status %d, want %d and an output\n%s", c, r.code, want, r.stderr)
					}
					s.sole("none")
				}
				s.check(fs)
			},
		},
		{
			name:   "plan-loaded-by-hand",
			reason: "what plan prints is what init applies: the backend's own tool can load it",
			flags:  []string{"--skip-ports", "9000-9010", "--skip-subnets", "10.9.0.0/16,fd01:9::/32", "--inbound-local-only"},
			flows: all(inbound(redirected, 80), inbound(bypassed, 9000), inbound(bypassed, 80).by("10.9.1.1"), outbound(redirected, 80),
				outbound(bypassed, 9010), between(client, behind, bypassed, 80)),
			run: func(s *stage, fs flows) {
				c := command{args: s.args("plan")}
				text := c.run(s, s.Pod).succeeded(s, c).stdout
				if s.name == "nftables" {
					s.Pod.Exec(s, text, "nft", "-f", "-")
				} else {
					s.Pod.Exec(s, text, s.name+"-restore", "--noflush")
					if s.ipv6 {
						s.Pod.Exec(s, text, "ip6"+strings.TrimPrefix(s.name, "ip")+"-restore", "--noflush")
					}
				}
				s.sole(s.name)
				s.check(fs)
				s.diff()
				if rep := s.init(); rep.Result != "unchanged" || rep.Commits != 0 {
					s.Errorf("init after that: %+v, want unchanged and 0 commits", rep)
				}
			},
		},
	}
}

// rules returns everything that the stage's backend holds, with counters.
func (s *stage) rules() string {
	if s.name == "nftables" {
		return s.tool("nft", "-a", "list", "ruleset")
	}
	return s.saved(s.name)
}

// saved returns both families' rules in a variant of iptables, with their
// counters: those of rules, because packets that are no connection of a
// test's can pass a base chain at any time.
func (s *stage) saved(iptables string) string {
	var b strings.Builder
	for _, ip := range []string{"ip", "ip6"} {
		text := s.tool(netnstest.Tool(s, ip+strings.TrimPrefix(iptables, "ip")+"-save"), "-c")
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if strings.HasPrefix(line, ":") {
				line, _, _ = strings.Cut(line, "[")
				line += "\n"
			}
			b.WriteString(line)
		}
	}
	return b.String()
}
