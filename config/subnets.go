package config

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// SubnetSet is a list of disjoint prefixes, masked, IPv4 before IPv6, each
// family sorted by address. No prefix contains another, and two halves of
// a prefix are merged into it.
type SubnetSet []netip.Prefix

// ParseSubnets reads a comma list of CIDR subnets and bare addresses (taken
// as /32 or /128) of both families, with spaces trimmed. An empty text is an
// empty set. The result is merged into disjoint prefixes.
//
// Host bits are cut off, with a warning each; empty entries are ignored, with
// one. 0.0.0.0 and :: without a prefix length are errors: no peer has
// that address, and people who write it mean every address. An IPv4-mapped IPv6 subnet
// (::ffff:10.0.0.0/104) is the IPv4 subnet that it stands for, since packets
// with such addresses are IPv4 on the wire (RFC 4291, section 2.5.5.2); one
// that reaches beyond the mapped addresses is an error, and so is a zone,
// which has a meaning on one host only.
func ParseSubnets(text string) (set SubnetSet, warnings []string, err error) {
	prefixes, warnings, err := parsePrefixes(text)
	if err != nil {
		return nil, nil, err
	}
	return mergePrefixes(prefixes), warnings, nil
}

// parsePrefixes returns the list's subnets, masked, in the order of the text.
func parsePrefixes(text string) (prefixes []netip.Prefix, warnings []string, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil, nil
	}
	empty := 0
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			empty++
			continue
		}
		given, err := parsePrefix(entry)
		if err != nil {
			return nil, nil, err
		}
		masked := given.Masked()
		if masked != given {
			warnings = append(warnings, fmt.Sprintf("%s has host bits set: taken as %s", entry, masked))
		}
		prefixes = append(prefixes, masked)
	}
	if empty > 0 {
		warnings = slices.Insert(warnings, 0, emptyRemark(text, empty))
	}
	return prefixes, warnings, nil
}

func parsePrefix(entry string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(entry)
	if !strings.Contains(entry, "/") {
		var addr netip.Addr
		addr, err = netip.ParseAddr(entry)
		prefix = netip.PrefixFrom(addr, addr.BitLen())
		if addr.IsUnspecified() {
			return prefix, fmt.Errorf("%s is one address that no peer has: want %s/0 for every address, or %[2]s/%d for this one",
				Quote(entry), addr, addr.BitLen())
		}
	}
	if strings.Contains(entry, "%") {
		return prefix, fmt.Errorf("%s has a zone: want an address or subnet without one, such as fe80::/10", Quote(entry))
	}
	if err != nil {
		return prefix, fmt.Errorf("%s is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address", Quote(entry))
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		const mapped = 128 - 32 // the length of ::ffff:0:0/96
		if prefix.Bits() < mapped {
			return prefix, fmt.Errorf("%s is wider than all IPv4-mapped addresses: want an IPv4 subnet such as %s/8, or a prefix length of at least %d",
				Quote(entry), addr.Unmap(), mapped)
		}
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-mapped)
	}
	return prefix, nil
}

// mergePrefixes sorts masked prefixes in place, drops those within others and
// joins the two halves of a prefix into it, over and over: sorting aside, one
// pass, because only the end of what is merged can meet the next prefix.
func mergePrefixes(prefixes []netip.Prefix) SubnetSet {
	sort.Slice(prefixes, func(i, j int) bool {
		a, b := prefixes[i], prefixes[j]
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c < 0
		}
		return a.Bits() < b.Bits()
	})
	var set SubnetSet
	for _, p := range prefixes {
		if n := len(set); n > 0 && set[n-1].Contains(p.Addr()) {
			continue
		}
		set = append(set, p)
		for n := len(set); n > 1; n = len(set) {
			low, high := set[n-2], set[n-1]
			if low.Bits() != high.Bits() || low.Bits() == 0 {
				break
			}
			parent := netip.PrefixFrom(low.Addr(), low.Bits()-1).Masked()
			if !parent.Contains(high.Addr()) {
				break
			}
			set = append(set[:n-2], parent)
		}
	}
	return set
}

// String returns the canonical list, "10.0.0.0/8,fd00::/8": ParseSubnets
// reads it back as the same set.
func (s SubnetSet) String() string {
	var list []byte
	for i, p := range s {
		if i > 0 {
			list = append(list, ',')
		}
		list = p.AppendTo(list)
	}
	return string(list)
}

// Contains reports whether addr is in the set. An IPv4-mapped address counts
// as the IPv4 address, a zone does not count.
func (s SubnetSet) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	// The last prefix that begins at or below addr is the only one that can hold it.
	i, exact := slices.BinarySearchFunc(s, addr, func(p netip.Prefix, addr netip.Addr) int {
		return p.Addr().Compare(addr)
	})
	return exact || i > 0 && s[i-1].Contains(addr)
}

// Union returns the merged set of s and the others, in storage of its own.
func (s SubnetSet) Union(others ...SubnetSet) SubnetSet {
	all := slices.Clone(s)
	for _, other := range others {
		all = append(all, other...)
	}
	return mergePrefixes(all)
}
