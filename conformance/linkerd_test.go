package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// linkerdRules returns the shell lines that write the rules of Linkerd's
// proxy-init for one family, one iptables call each, in its order (linkerd2's
// proxy-init, pkg/iptables): everything is redirected, but for what user 9999
// sends and a few ports.
func linkerdRules(iptables string) []string {
	const comment = " -m comment --comment proxy-init/"
	nat := iptables + " -t nat "
	return []string{
		nat + "-N PROXY_INIT_REDIRECT",
		nat + "-A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 25,587,3000:3010 -j RETURN" + comment + "ignore-port-25,587,3000:3010",
		nat + "-A PROXY_INIT_REDIRECT -p all -j RETURN -s " + map[bool]string{true: "fd01:77::/32", false: "10.77.0.0/16"}[strings.HasPrefix(iptables, "ip6")] + comment + "ignore-subnet",
		nat + "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143" + comment + "redirect-all-incoming-to-proxy-port",
		nat + "-A PREROUTING -j PROXY_INIT_REDIRECT" + comment + "install-proxy-init-prerouting",
		nat + "-N PROXY_INIT_OUTPUT",
		nat + "-A PROXY_INIT_OUTPUT -m owner --uid-owner 9999 -j RETURN" + comment + "ignore-proxy-user-id",
		nat + "-A PROXY_INIT_OUTPUT -m owner --gid-owner 9999 -j RETURN" + comment + "ignore-proxy-group-id",
		nat + "-A PROXY_INIT_OUTPUT -o lo -j RETURN" + comment + "ignore-loopback",
		nat + "-A PROXY_INIT_OUTPUT -p tcp --match multiport --dports 25,587 -j RETURN" + comment + "ignore-port-25,587",
		nat + "-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140" + comment + "redirect-all-outgoing-to-proxy-port",
		nat + "-A OUTPUT -j PROXY_INIT_OUTPUT" + comment + "install-proxy-init-output",
	}
}

// leftover is something that stands in the pod before shunt comes.
type leftover struct {
	name  string
	what  string // it is
	leave func(*stage)
}

// leftovers returns what other runs of shunt, and Linkerd's proxy-init, can
// have left.
func leftovers() []leftover {
	var list []leftover
	for _, v := range variants() {
		for _, ipv6 := range []bool{true, false} {
			families := map[bool]string{true: "", false: "-ipv4"}[ipv6]
			list = append(list, leftover{
				name: "shunt-" + v.name + families,
				what: "a run of shunt on " + v.name + map[bool]string{true: "", false: " without IPv6"}[ipv6],
				leave: func(s *stage) {
					v.need(s)
					earlier := *s
					earlier.variant, earlier.ipv6, earlier.flags = v, ipv6, []string{"--skip-ports", "25", "--proxy-uid", "9999"}
					earlier.init()
				},
			})
		}
	}
	list = append(list,
		leftover{"shunt-interrupted", "a run of shunt that was killed while a spare table acted", leaveInterrupted},
		leftover{"shunt-odd-table", "tables of shunt's name and of another shape", leaveOddTable},
		leftover{"everything", "shunt in nftables and Linkerd in both variants of iptables, all at once", leaveEverything})
	for n, variant := range []string{"nft", "legacy"} {
		add := func(form, what string, change func(lines []string) []string) {
			list = append(list, leftover{
				name: "linkerd-" + variant + "-" + form,
				what: "Linkerd's proxy-init in iptables-" + variant + ", " + what,
				leave: func(s *stage) {
					iptablesVariants()[n].need(s)
					s.script(slices.Concat(change(linkerdRules("iptables-"+variant)), change(linkerdRules("ip6tables-"+variant)))...)
				},
			})
		}
		add("complete", "complete", func(lines []string) []string { return lines })
		add("inbound-only", "killed between the directions", func(lines []string) []string { return lines[:6] })
		add("half-chain", "killed in its first chain", func(lines []string) []string { return lines[:2] })
		add("half-hooked", "killed before its last rule", func(lines []string) []string { return lines[:11] })
		add("orphaned", "with its chains and without the jumps", func(lines []string) []string { return slices.Concat(lines[:4], lines[5:11]) })
		add("hooked-twice", "with two jumps to each chain", func(lines []string) []string { return slices.Concat(lines, lines[4:5], lines[11:]) })
	}
	return list
}

// leaveInterrupted leaves the spare table of a run that was killed while it
// rebuilt the real one.
func leaveInterrupted(s *stage) {
	rules := fmt.Sprintf(`{
	chain inbound { type nat hook prerouting priority -100; meta l4proto tcp counter redirect to :%d; }
	chain outbound { type nat hook output priority -100; meta skuid 9999 accept; oifname "lo" accept; meta l4proto tcp counter redirect to :%d; }
}
`, inboundPort, outboundPort)
	s.Pod.Exec(s, "table inet shunt-spare "+rules+"table ip shunt "+rules, "nft", "-f", "-")
}

// leaveEverything leaves rules in every place that there is.
func leaveEverything(s *stage) {
	earlier := *s
	earlier.variant, earlier.ipv6, earlier.flags = variants()[0], true, []string{"--proxy-uid", "9999"}
	earlier.init()
	for _, v := range iptablesVariants() {
		v.need(s)
		s.script(slices.Concat(linkerdRules(v.name), linkerdRules("ip6"+strings.TrimPrefix(v.name, "ip")))...)
	}
}

// leaveOddTable leaves a table of shunt's name that is not what shunt writes:
// another priority, a set of another type, a chain that is not shunt's.
func leaveOddTable(s *stage) {
	const text = `table %s shunt {
	set skip-inbound-ports { type ipv4_addr; elements = { 10.1.1.1 }; }
	chain inbound { type nat hook prerouting priority -150; meta l4proto tcp counter redirect to :4143; }
	chain extra { counter; }
}
`
	s.Pod.Exec(s, fmt.Sprintf(text, "inet"), "nft", "-f", "-")
	s.Pod.Exec(s, fmt.Sprintf(text, "ip"), "nft", "-f", "-")
}

// leftoverScenarios let each backend find each leftover.
func leftoverScenarios() []scenario {
	var list []scenario
	for _, l := range leftovers() {
		list = append(list, scenario{
			name:   "leftover-" + l.name,
			reason: "over " + l.what + ": one rule set is live in the end, and its bypasses hold",
			flags:  []string{"--skip-ports", "9000-9001", "--skip-subnets", "10.9.0.0/16,fd01:9::/32"},
			flows: all(
				inbound(redirected, 80, 25), inbound(bypassed, 4190, 9000), inbound(bypassed, 80).by("10.9.0.1"), inbound(bypassed, 80).by("fd01:9::1"),
				inbound(redirected, 80).by("10.77.0.1"), outbound(redirected, 80, 25), outbound(bypassed, 9001), outbound(bypassed, 80).as(proxyUID, 0),
				outbound(redirected, 80).as(9999, 0), between(pod, loopback, bypassed, 80),
			),
			run: func(s *stage, fs flows) {
				l.leave(s)
				rep := s.settle(fs)
				if rep.Result == "unchanged" || rep.Result == "new" {
					s.Errorf("init over rules left by %s reports %q", l.name, rep.Result)
				}
				if rep = s.init(); rep.Result != "unchanged" || rep.Commits != 0 {
					s.Errorf("init after that: %+v, want unchanged and 0 commits", rep)
				}
				s.clear()
				s.sole("none")
			},
		})
	}
	return list
}
