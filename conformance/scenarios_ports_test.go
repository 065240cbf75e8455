package conformance

import (
	"strings"

	"shunt/netns/netnstest"
)

func portScenarios() []scenario {
	return []scenario{
		{
			name:   "redirect-all",
			reason: "the standard configuration: everything but the proxy's own and Galera's ports",
			flows: all(
				inbound(redirected, 80, 443, 8080, 65535), inbound(bypassed, 4190, 4191, 4567, 4568),
				outbound(redirected, 80, 443, 4190, 8080, 65535), outbound(bypassed, 4567, 4568),
			),
		},
		{
			name:   "listed-ports",
			reason: "with ports-to-redirect, an inbound port that is not listed is left alone",
			flags:  []string{"--ports-to-redirect", "80,8080-8090"},
			flows: all(
				inbound(redirected, 80, 8080, 8085, 8090), inbound(bypassed, 79, 81, 8079, 8091, 443),
				outbound(redirected, 443, 80, 22),
			),
		},
		{
			name:   "listed-and-skipped",
			reason: "a port that is both listed and skipped is skipped",
			flags:  []string{"--ports-to-redirect", "8000-8100", "--skip-inbound-ports", "8050,8100-8200"},
			flows:  all(inbound(redirected, 8000, 8049, 8051, 8099), inbound(bypassed, 8050, 8100, 8101, 7999)),
		},
		{
			name:   "skip-ranges",
			reason: "a range holds its two ends and nothing beside them",
			flags:  []string{"--skip-inbound-ports", "3000-3010,4000", "--skip-outbound-ports", "5000-5001,6000-6999"},
			flows: all(
				inbound(bypassed, 3000, 3005, 3010, 4000), inbound(redirected, 2999, 3011, 3999, 4001, 5000),
				outbound(bypassed, 5000, 5001, 6000, 6500, 6999), outbound(redirected, 4999, 5002, 5999, 7000, 3000),
			),
		},
		{
			name:   "skip-first-and-last-port",
			reason: "0 and 65535 are ports like others",
			flags:  []string{"--skip-inbound-ports", "0,65535", "--skip-outbound-ports", "0,65535"},
			flows: all(
				inbound(bypassed, 0, 65535), inbound(redirected, 1, 65534),
				outbound(bypassed, 0, 65535), outbound(redirected, 1, 65534),
			),
		},
		{
			name:   "port-0-redirected",
			reason: "a range from 1 leaves port 0 out",
			flags:  []string{"--skip-inbound-ports", "1-65535", "--skip-outbound-ports", "1-65534"},
			flows: all(
				inbound(redirected, 0), inbound(bypassed, 1, 8080, 65535),
				outbound(redirected, 0, 65535), outbound(bypassed, 1, 443, 65534),
			),
		},
		{
			name:   "skip-every-port",
			reason: "0-65535 is every port",
			flags:  []string{"--skip-ports", "0-65535"},
			flows: all(
				inbound(bypassed, 0, 1, 8080, 65535), outbound(bypassed, 0, 1, 443, 65535),
			),
		},
		{
			name:   "no-skipped-port",
			reason: "an empty list skips nothing, not even the standard ports",
			flags:  []string{"--skip-inbound-ports", "", "--skip-outbound-ports", ""},
			flows:  all(inbound(redirected, 4190, 4567), outbound(redirected, 4567, 4568)),
		},
		{
			name:   "more-than-15-ports",
			reason: "iptables puts at most 15 ports into one rule: the list goes on in the next",
			flags:  []string{"--skip-ports", manyPorts()},
			flows: all(
				inbound(bypassed, 1000, 1014, 1028, 1030, 1032, 1060, 1078), inbound(redirected, 999, 1001, 1029, 1031, 1061, 1079, 1080),
				inbound(bypassed, 2000, 2001, 2090, 2095), inbound(redirected, 2002, 2009, 2096),
				outbound(bypassed, 1000, 1028, 1030, 1032, 1058, 1060, 1062, 2000, 2095), outbound(redirected, 1059, 1061, 2096, 1077),
			),
		},
		{
			name:   "skip-ports-both",
			reason: "skip-ports adds to both directions",
			flags:  []string{"--skip-inbound-ports", "25", "--skip-outbound-ports", "587", "--skip-ports", "9000-9001"},
			flows: all(
				inbound(bypassed, 25, 9000, 9001), inbound(redirected, 587, 9002),
				outbound(bypassed, 587, 9000, 9001), outbound(redirected, 25, 8999),
			),
		},
		{
			name:   "other-proxy-ports",
			reason: "the proxy may listen elsewhere",
			flags:  []string{"--inbound-port", "15006", "--outbound-port", "15001"},
			flows:  all(inbound(redirected, 80, 4190+10), inbound(bypassed, 4190), outbound(redirected, 80), outbound(bypassed, 4567)),
			run: func(s *stage, fs flows) {
				netnstest.StartProxy(s, s.Pod, 15006, 15001)
				s.settle(fs)
			},
		},
		{
			name:   "as-proxy-init",
			reason: "under Linkerd's name, with what its chart passes, it does what Linkerd's program does",
			flows: all(
				inbound(redirected, 80, 4567), inbound(bypassed, 4190, 4191), inbound(bypassed, 80).by("10.9.1.1"),
				outbound(redirected, 80, 4190), outbound(bypassed, 4568, 443), outbound(bypassed, 80).as(proxyUID, 0),
			),
			run: func(s *stage, fs flows) {
				c := command{name: "proxy-init", args: append(s.args("")[1:], "--ipv6", "--incoming-proxy-port", "4143",
					"--outgoing-proxy-port", "4140", "--proxy-uid", "2102", "--inbound-ports-to-ignore", "4190,4191",
					"--outbound-ports-to-ignore", "443,4567-4568", "--subnets-to-ignore", "10.9.0.0/16")}
				if !s.ipv6 {
					c.args = append(c.args, "--ipv6=false")
				}
				c.run(s, s.Pod).succeeded(s, c)
				s.sole(s.name)
				s.check(fs)
			},
		},
	}
}

// manyPorts lists 40 single ports, 1000 to 1078, and then ranges, two slots
// each in iptables, so that one range would straddle the end of a rule.
func manyPorts() string {
	var list []string
	for p := 1000; p < 1080; p += 2 {
		list = append(list, itoa(p))
	}
	for p := 2000; p < 2100; p += 10 {
		list = append(list, itoa(p)+"-"+itoa(p+1))
	}
	return strings.Join(append(list, "2095"), ",")
}
