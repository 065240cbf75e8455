// Package lists says which ports and subnets the benchmarks skip, so that
// every program that is measured writes the same.
package lists

import "net/netip"

// Variant is one of the two contents of a list. They differ in every tenth
// entry and have the same size.
type Variant int

// The contents before and after a change.
const (
	Before Variant = iota
	After
)

// Standard is the size that stands for shunt's standard configuration.
const Standard = 0

// A list's entries lie stride apart, so that none touches the next, whether
// it was moved by the change or not.
const (
	stride      = 4
	firstIn     = 10000
	firstOut    = 34000
	everyNth    = 10
	perSecond   = 128 // subnets of one second byte
	familySplit = 2   // IPv4 and IPv6
)

// Range is an inclusive range of ports.
type Range struct{ First, Last uint16 }

// Inbound returns n ports that are skipped inbound; Standard: the standard
// configuration's, as merged ranges.
func Inbound(n int, v Variant) []Range {
	if n == Standard {
		return []Range{{4190, 4191}, standardMySQL(v)}
	}
	return spread(firstIn, n, v)
}

// Outbound returns n ports that are skipped outbound.
func Outbound(n int, v Variant) []Range {
	if n == Standard {
		return []Range{standardMySQL(v)}
	}
	return spread(firstOut, n, v)
}

// standardMySQL is 4567,4568: Galera's ports, which the standard configuration
// skips in both directions.
func standardMySQL(v Variant) Range {
	if v == After {
		return Range{4568, 4569}
	}
	return Range{4567, 4568}
}

func spread(first, n int, v Variant) []Range {
	out := make([]Range, n)
	for i := range out {
		port := uint16(first + stride*i)
		if v == After && i%everyNth == 0 {
			port++
		}
		out[i] = Range{port, port}
	}
	return out
}

// Subnets returns n subnets, half of each family: 10.x.y.0/24 with even y and
// fd00:0:x:y::/64.
func Subnets(n int, v Variant) (v4, v6 []netip.Prefix) {
	for i := range n / familySplit {
		length4, length6 := 24, 64
		if v == After && i%everyNth == 0 {
			length4, length6 = 25, 65
		}
		second, third := byte(i/perSecond), byte(2*(i%perSecond))
		v4 = append(v4, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, third}), length4))
		v6 = append(v6, netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 5: second, 7: third}), length6))
	}
	return v4, v6
}
