package conformance

func subnetScenarios() []scenario {
	return []scenario{
		{
			name:   "skip-subnets",
			reason: "connections from a listed source come in directly, of either family; outbound it changes nothing",
			flags:  []string{"--skip-subnets", "10.9.0.0/16,10.10.1.7,fd01:9::/32,fd01:a::7"},
			flows: all(
				inbound(bypassed, 80, 8080).by("10.9.0.0"), inbound(bypassed, 80).by("10.9.255.255"), inbound(bypassed, 80).by("10.10.1.7"),
				inbound(redirected, 80).by("10.8.255.255"), inbound(redirected, 80).by("10.10.0.0"), inbound(redirected, 80).by("10.10.1.6"),
				inbound(redirected, 80).by("10.10.1.8"), inbound(redirected, 80, 8080),
				inbound(bypassed, 80).by("fd01:9::1"), inbound(bypassed, 80).by("fd01:9:ffff:ffff:ffff:ffff:ffff:ffff"), inbound(bypassed, 80).by("fd01:a::7"),
				inbound(redirected, 80).by("fd01:8:ffff::1"), inbound(redirected, 80).by("fd01:b::"), inbound(redirected, 80).by("fd01:a::6"),
				between(pod, client, redirected, 80).at("10.9.0.1"), between(pod, client, redirected, 80).at("fd01:9::1"),
			),
		},
		{
			name:   "skip-subnets-overlapping",
			reason: "subnets that hold or touch each other, in any order and with host bits, are merged",
			flags:  []string{"--skip-subnets", "10.9.7.0/24", "--skip-subnets", "10.9.1.2/16,10.8.0.0/16,fd01:9::5/32,fd01:9:1::/48"},
			flows: all(
				inbound(bypassed, 80).by("10.8.0.1"), inbound(bypassed, 80).by("10.9.7.1"), inbound(bypassed, 80).by("10.9.200.1"),
				inbound(redirected, 80).by("10.7.255.255"), inbound(redirected, 80).by("10.10.0.1"),
				inbound(bypassed, 80).by("fd01:9:1::1"), inbound(bypassed, 80).by("fd01:9:2::1"), inbound(redirected, 80).by("fd01:a::1"),
			),
		},
		{
			name:   "skip-subnets-of-one-family",
			reason: "a list of IPv4 subnets alone leaves every IPv6 connection redirected, and the other way round outbound",
			flags:  []string{"--skip-subnets", "0.0.0.0/0", "--skip-outbound-subnets", "::/0"},
			flows: all(
				inbound(bypassed, 80).by("10.1.2.3"), inbound(redirected, 80).by("fd01::3"),
				outbound(redirected, 80).at("198.51.100.7"), outbound(bypassed, 80).at("2001:db8::7"),
			),
		},
		{
			name:   "skip-outbound-subnets",
			reason: "connections to a listed destination go out directly, of either family; inbound it changes nothing",
			flags:  []string{"--skip-outbound-subnets", "198.51.100.0/25,172.16.0.0/12,192.168.7.7,2001:db8:7::/48,fd02::9"},
			flows: all(
				outbound(bypassed, 80, 443).at("198.51.100.0"), outbound(bypassed, 80).at("198.51.100.127"), outbound(bypassed, 80).at("172.31.255.255"),
				outbound(bypassed, 80).at("192.168.7.7"), outbound(redirected, 80).at("198.51.100.128"), outbound(redirected, 80).at("192.168.7.8"),
				outbound(bypassed, 80).at("2001:db8:7::"), outbound(bypassed, 80).at("2001:db8:7:ffff:ffff:ffff:ffff:ffff"), outbound(bypassed, 80).at("fd02::9"),
				outbound(redirected, 80).at("2001:db8:8::"), outbound(redirected, 80).at("fd02::8"), outbound(redirected, 80),
				inbound(redirected, 80),
			),
		},
	}
}

func placeScenarios() []scenario {
	return []scenario{
		{
			name:   "loopback-and-own-address",
			reason: "connections within the pod stay within the pod, whoever makes them",
			flows: all(
				between(pod, loopback, bypassed, 80, 8080).as(1000, 1000), between(pod, loopback, bypassed, 80), between(pod, loopback, bypassed, 80).as(2102, 2102),
				between(pod, pod, bypassed, 80, 8080).as(1000, 1000), between(pod, pod, bypassed, 80),
				between(pod, pod, bypassed, 80).at("10.200.2.1"), between(pod, pod, bypassed, 80).at("fd00:200:2::1"),
			),
		},
		{
			name:   "straight-to-the-proxy",
			reason: "a connection to the proxy's own ports arrives there, once, and the proxy sees that it was meant",
			flows: all(
				between(client, pod, toProxy, inboundPort), between(server, pod, toProxy, inboundPort),
				between(pod, loopback, toProxy, inboundPort, outboundPort).as(1000, 0), between(pod, pod, toProxy, inboundPort),
				between(pod, pod, refused, outboundPort), outbound(redirected, inboundPort, outboundPort),
			),
		},
		{
			name:   "udp-untouched",
			reason: "only TCP is redirected: DNS and QUIC go where they were going",
			flows: all(
				inbound(bypassed, 53, 443).overUDP(), outbound(bypassed, 53, 443, 4567).overUDP(),
				between(client, behind, bypassed, 53).overUDP(), inbound(redirected, 53, 443), outbound(redirected, 53),
			),
		},
		{
			name:   "forwarded",
			reason: "what the pod forwards is redirected, as Linkerd's rules do it: containers in the pod are meshed",
			flows: all(
				between(client, behind, redirected, 80, 443), between(client, behind, bypassed, 4190),
				between(behind, server, redirected, 80), between(behind, server, bypassed, 4568), between(behind, client, redirected, 80),
				between(behind, pod, redirected, 80), inbound(redirected, 80),
			),
		},
		{
			name:   "forwarded-left-alone",
			reason: "inbound-local-only confines inbound rules to the pod's own addresses, all of them",
			flags:  []string{"--inbound-local-only"},
			flows: all(
				between(client, behind, bypassed, 80, 443, 4190), between(behind, server, bypassed, 80), between(behind, client, bypassed, 80),
				inbound(redirected, 80, 443), inbound(bypassed, 4190), between(behind, pod, redirected, 80),
				between(client, pod, redirected, 80).at("10.200.2.1"), between(client, pod, redirected, 80).at("fd00:200:2::1"),
				outbound(redirected, 80),
			),
		},
		{
			name:   "forwarded-left-alone-listed",
			reason: "inbound-local-only together with a list of ports to redirect",
			flags:  []string{"--inbound-local-only", "--ports-to-redirect", "80,8080"},
			flows: all(
				between(client, behind, bypassed, 80, 8080, 443), inbound(redirected, 80, 8080), inbound(bypassed, 443),
				outbound(redirected, 443),
			),
		},
	}
}
