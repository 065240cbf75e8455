package nftables

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"shunt/plan"
)

// key is a set element's key as a 128-bit number: a port, a user
// id, an IPv4 or an IPv6 address. Keys of one set have one width.
type key struct{ hi, lo uint64 }

func (k key) compare(o key) int {
	if c := cmp.Compare(k.hi, o.hi); c != 0 {
		return c
	}
	return cmp.Compare(k.lo, o.lo)
}

func (k key) next() key {
	lo, carry := bits.Add64(k.lo, 1, 0)
	return key{k.hi + carry, lo}
}

func (k key) prev() key {
	lo, borrow := bits.Sub64(k.lo, 1, 0)
	return key{k.hi - borrow, lo}
}

// append appends the key as the kernel holds it: big-endian, width bytes.
func (k key) append(b []byte, width int) []byte {
	var all [16]byte
	binary.BigEndian.PutUint64(all[:8], k.hi)
	binary.BigEndian.PutUint64(all[8:], k.lo)
	return append(b, all[16-width:]...)
}

func keyOf(b []byte) key {
	var k [16]byte
	copy(k[16-len(b):], b)
	return key{binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:])}
}

func addrKey(a netip.Addr) key {
	b := a.As16()
	if a.Is4() {
		return key{lo: uint64(binary.BigEndian.Uint32(b[12:]))}
	}
	return keyOf(b[:])
}

// addr returns the key as an address of width bytes.
func (k key) addr(width int) netip.Addr {
	a, _ := netip.AddrFromSlice(k.append(nil, width))
	return a
}

// highest returns the highest key of a width.
func highest(width int) key {
	if width == 16 {
		return key{^uint64(0), ^uint64(0)}
	}
	return key{lo: 1<<(8*width) - 1}
}

// interval is an inclusive range of keys.
type interval struct{ first, last key }

func (i interval) compare(o interval) int {
	if c := i.first.compare(o.first); c != 0 {
		return c
	}
	return i.last.compare(o.last)
}

func portIntervals(ranges []plan.PortRange) []interval {
	out := make([]interval, len(ranges))
	for i, r := range ranges {
		out[i] = interval{key{lo: uint64(r.First)}, key{lo: uint64(r.Last)}}
	}
	return out
}

func idIntervals(ranges []plan.IDRange) []interval {
	out := make([]interval, len(ranges))
	for i, r := range ranges {
		out[i] = interval{key{lo: uint64(r.First)}, key{lo: uint64(r.Last)}}
	}
	return out
}

func idRanges(in []interval) []plan.IDRange {
	out := make([]plan.IDRange, len(in))
	for i, r := range in {
		out[i] = plan.IDRange{First: uint32(r.first.lo), Last: uint32(r.last.lo)}
	}
	return out
}

func portRanges(in []interval) []plan.PortRange {
	out := make([]plan.PortRange, len(in))
	for i, r := range in {
		out[i] = plan.PortRange{First: uint16(r.first.lo), Last: uint16(r.last.lo)}
	}
	return out
}

// prefixIntervals returns the addresses of sorted, disjoint prefixes of one
// family. Prefixes that touch become one interval.
func prefixIntervals(prefixes []netip.Prefix) []interval {
	out := make([]interval, 0, len(prefixes))
	for _, p := range prefixes {
		i := interval{first: addrKey(p.Addr())}
		i.last = lastKey(i.first, p.Addr().BitLen()-p.Bits())
		if n := len(out); n > 0 && out[n-1].last.next() == i.first {
			out[n-1].last = i.last
			continue
		}
		out = append(out, i)
	}
	return out
}

// lastKey returns the last key of the block of 2^hostBits keys at first.
func lastKey(first key, hostBits int) key {
	if hostBits >= 64 {
		return key{first.hi | mask(hostBits-64), ^uint64(0)}
	}
	return key{first.hi, first.lo | mask(hostBits)}
}

func mask(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

// prefixes returns the shortest list of prefixes that covers the intervals,
// which is the one that config makes: no two of its prefixes could be joined.
func prefixes(in []interval, width int) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(in))
	for _, i := range in {
		for at := i.first; ; {
			hostBits := 0
			for hostBits < 8*width {
				wider := lastKey(at, hostBits+1)
				if at.lo&mask(hostBits+1) != 0 && hostBits < 64 ||
					hostBits >= 64 && at.hi&mask(hostBits-63) != 0 ||
					wider.compare(i.last) > 0 {
					break
				}
				hostBits++
			}
			out = append(out, netip.PrefixFrom(at.addr(width), 8*width-hostBits))
			end := lastKey(at, hostBits)
			if end == i.last {
				break
			}
			at = end.next()
		}
	}
	return out
}

// delta returns what must be deleted from and added to a sorted list to make
// it another sorted list. What is in both is left alone.
func delta(old, want []interval) (del, add []interval) {
	for len(old) > 0 && len(want) > 0 {
		switch c := old[0].compare(want[0]); {
		case c == 0:
			old, want = old[1:], want[1:]
		case c < 0:
			del, old = append(del, old[0]), old[1:]
		default:
			add, want = append(add, want[0]), want[1:]
		}
	}
	return append(del, old...), append(add, want...)
}
