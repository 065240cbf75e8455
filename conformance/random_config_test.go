package conformance

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"

	"shunt/config"
)

// somePorts returns the ports that random lists are about and random
// connections go to. Others than these would hardly ever meet.
func somePorts() []uint16 {
	return []uint16{0, 1, 2, 22, 80, 81, 443, 1000, 1001, 1024, 4190, 4191, 4567, 8079, 8080, 8081, 9000, 32767, 32768, 65534, 65535}
}

// somePeople returns the user and group ids of random connections.
func somePeople() []uint32 {
	return []uint32{0, 1, 999, 1000, 1001, 2102, 2103, 5000, 4294967294}
}

// someAddrs returns addresses at which random prefixes begin to differ.
func someAddrs(ipv6 bool) []netip.Addr {
	texts := []string{"10.9.0.1", "10.1.2.3", "10.77.255.255", "10.128.0.9", "172.16.5.5", "172.31.255.254", "192.168.1.1", "198.51.100.7", "203.0.113.254"}
	if ipv6 {
		texts = []string{"fd01:9::1", "fd01::abcd", "fd01:ffff:ffff::", "fd02::1", "fd02:8000::7", "2001:db8::1", "2001:db8:ffff::1"}
	}
	var list []netip.Addr
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

// randomAddr returns an address near one of someAddrs that lies in one of the
// prefixes.
func randomAddr(r *rand.Rand, in []netip.Prefix, ipv6 bool) netip.Addr {
	for {
		b := oneOf(r, someAddrs(ipv6)).AsSlice()
		for range r.IntN(3) {
			bit := r.IntN(8 * len(b))
			b[bit/8] ^= 0x80 >> (bit % 8)
		}
		a, _ := netip.AddrFromSlice(b)
		for _, p := range in {
			if p.Contains(a) {
				return a
			}
		}
	}
}

// randomSettings is a configuration, and the flags that ask for it.
type randomSettings struct {
	config.Config
	flags []string
}

// randomConfig returns a configuration that can be applied. Its lists are
// given to the program as they were drawn: in any order, overlapping, with
// host bits.
func randomConfig(r *rand.Rand) randomSettings {
	for {
		s := randomSettings{Config: config.Standard()}
		for _, l := range []struct {
			name string
			set  *config.PortSet
		}{
			{"skip-inbound-ports", &s.SkipInboundPorts},
			{"skip-outbound-ports", &s.SkipOutboundPorts},
			{"ports-to-redirect", &s.PortsToRedirect},
		} {
			s.list(l.name, randomPorts(r, l.name == "ports-to-redirect"), func(text string) (err error) {
				*l.set, err = config.ParsePorts(text)
				return err
			})
		}
		for _, l := range []struct {
			name string
			set  *config.SubnetSet
		}{
			{"skip-subnets", &s.SkipSubnets},
			{"skip-outbound-subnets", &s.SkipOutboundSubnets},
		} {
			s.list(l.name, randomSubnets(r), func(text string) (err error) {
				*l.set, _, err = config.ParseSubnets(text)
				return err
			})
		}
		s.list("skip-outbound-uids", randomIDs(r), func(text string) (err error) {
			s.SkipOutboundUIDs, err = config.ParseIDs(text)
			return err
		})
		s.ProxyUID = oneOf(r, []config.ID{2102, 2102, 2102, 1000, 0, config.NoID})
		s.ProxyGID = oneOf(r, []config.ID{config.NoID, config.NoID, 0, 2102, 1001})
		s.InboundLocalOnly, s.IPv6 = r.IntN(3) == 0, r.IntN(4) > 0
		s.flags = append(s.flags, fmt.Sprintf("--proxy-uid=%d", s.ProxyUID), fmt.Sprintf("--proxy-gid=%d", s.ProxyGID),
			fmt.Sprintf("--inbound-local-only=%v", s.InboundLocalOnly))
		s.Sources = config.Sources{"proxy-uid": "test", "proxy-gid": "test"}
		if _, err := s.Validate(); err == nil {
			return s
		}
	}
}

func (s *randomSettings) list(flag string, entries []string, parse func(string) error) {
	text := strings.Join(entries, ",")
	if err := parse(text); err != nil {
		panic(fmt.Sprintf("%s %q: %v", flag, text, err)) // this file draws nothing that is wrong
	}
	s.flags = append(s.flags, "--"+flag, text)
}

// randomPorts returns a list of up to 30 entries, often none.
func randomPorts(r *rand.Rand, rare bool) []string {
	n := r.IntN(5)
	switch {
	case rare && r.IntN(3) > 0:
		n = 0
	case r.IntN(4) == 0:
		n = 16 + r.IntN(15) // more than one rule of iptables holds
	}
	var list []string
	for range n {
		a, b := oneOf(r, somePorts()), oneOf(r, somePorts())
		if r.IntN(2) == 0 { // a port that no connection goes to
			a = uint16(r.IntN(1 << 16))
		}
		switch {
		case r.IntN(3) > 0:
			list = append(list, strconv.Itoa(int(a)))
		case r.IntN(2) == 0 || a > b: // a short range
			list = append(list, fmt.Sprintf("%d-%d", a, min(int(a)+r.IntN(4), 65535)))
		default:
			list = append(list, fmt.Sprintf("%d-%d", a, b))
		}
	}
	return list
}

// randomSubnets returns a list of up to 6 prefixes of both families.
func randomSubnets(r *rand.Rand) []string {
	var list []string
	for range max(0, r.IntN(10)-3) {
		a := oneOf(r, someAddrs(r.IntN(2) == 0))
		bits := r.IntN(a.BitLen() + 1)
		if r.IntN(3) > 0 { // a wide one swallows everything else
			bits = a.BitLen() - r.IntN(a.BitLen()/2)
		}
		list = append(list, netip.PrefixFrom(a, bits).String())
	}
	return list
}

// randomIDs returns a list of up to 3 ids and ranges.
func randomIDs(r *rand.Rand) []string {
	var list []string
	for range max(0, r.IntN(6)-2) {
		a, b := oneOf(r, somePeople()), oneOf(r, somePeople())
		if r.IntN(3) > 0 {
			a = b
		}
		list = append(list, fmt.Sprintf("%d-%d", min(a, b), max(a, b)))
	}
	return list
}
