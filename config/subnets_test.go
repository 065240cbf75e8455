package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParseSubnets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, want string
		warnings         []string
	}{
		{name: "nothing", text: " ", want: ""},
		{name: "one subnet", text: "10.0.0.0/8", want: "10.0.0.0/8"},
		{name: "both families in one list, IPv4 first", text: "fd00::/8, 10.0.0.0/8", want: "10.0.0.0/8,fd00::/8"},
		{name: "an address is a subnet of one", text: "10.0.0.1,::1", want: "10.0.0.1/32,::1/128"},
		{name: "a subnet within another is dropped", text: "10.0.0.0/8,10.1.0.0/16,10.2.3.4", want: "10.0.0.0/8"},
		{name: "in any order", text: "10.2.3.4,10.1.0.0/16,10.0.0.0/8", want: "10.0.0.0/8"},
		{name: "two halves become the whole", text: "10.128.0.0/9,10.0.0.0/9", want: "10.0.0.0/8"},
		{name: "quarters become the whole", text: "10.0.0.0/10,10.192.0.0/10,10.64.0.0/10,10.128.0.0/10", want: "10.0.0.0/8"},
		{name: "neighbours of different parents stay", text: "10.1.0.0/16,10.2.0.0/16", want: "10.1.0.0/16,10.2.0.0/16"},
		{name: "a joined pair swallows what follows within", text: "10.0.0.0/9,10.128.0.0/9,10.200.0.0/16", want: "10.0.0.0/8"},
		{name: "everything", text: "0.0.0.0/0,::/0,10.0.0.0/8,fd00::/8", want: "0.0.0.0/0,::/0"},
		{name: "both halves of everything", text: "0.0.0.0/1,128.0.0.0/1", want: "0.0.0.0/0"},
		{name: "sorted as numbers, not as text", text: "100.0.0.0/8,9.0.0.0/8", want: "9.0.0.0/8,100.0.0.0/8"},
		{name: "IPv4-mapped", text: "::ffff:10.0.0.0/104", want: "10.0.0.0/8"},
		{name: "IPv4-mapped address", text: "::ffff:10.1.2.3", want: "10.1.2.3/32"},
		{name: "all IPv4-mapped addresses are all of IPv4", text: "::ffff:0:0/96", want: "0.0.0.0/0"},
		{
			name: "host bits are cut off", text: "10.1.2.3/8,fd00::1/64", want: "10.0.0.0/8,fd00::/64",
			warnings: []string{"10.1.2.3/8 has host bits set: taken as 10.0.0.0/8", "fd00::1/64 has host bits set: taken as fd00::/64"},
		},
		{
			name: "host bits of an IPv4-mapped subnet", text: "::ffff:10.1.2.3/104", want: "10.0.0.0/8",
			warnings: []string{"::ffff:10.1.2.3/104 has host bits set: taken as 10.0.0.0/8"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			set, warnings, err := ParseSubnets(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if set.String() != tc.want || !slices.Equal(warnings, tc.warnings) {
				t.Errorf("ParseSubnets(%q) = %q with %q\nwant %q with %q", tc.text, set, warnings, tc.want, tc.warnings)
			}
			again, warnings, err := ParseSubnets(set.String())
			if err != nil || len(warnings) > 0 || !slices.Equal(again, set) {
				t.Errorf("%q does not parse back to itself: %v, %v, %v", set, again, warnings, err)
			}
		})
	}
}

func TestParseSubnetsRejects(t *testing.T) {
	t.Parallel()
	const notSubnet = " is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address"
	for text, want := range map[string]string{
		"300.1.1.1/8":          `"300.1.1.1/8"` + notSubnet,
		"10.0.0.1/33":          `"10.0.0.1/33"` + notSubnet,
		"fd00::/129":           `"fd00::/129"` + notSubnet,
		"10.0.0.0/08":          `"10.0.0.0/08"` + notSubnet,
		"10.0.0.0/":            `"10.0.0.0/"` + notSubnet,
		"/8":                   `"/8"` + notSubnet,
		"10.0.0/8":             `"10.0.0/8"` + notSubnet,
		"example.org":          `"example.org"` + notSubnet,
		"10.0.0.0/8,bad,::1":   `"bad"` + notSubnet,
		"10.0.0.1-10.0.0.9":    `"10.0.0.1-10.0.0.9"` + notSubnet,
		"fe80::1%eth0":         `"fe80::1%eth0" has a zone: want an address or subnet without one, such as fe80::/10`,
		"fe80::%eth0/10":       `"fe80::%eth0/10" has a zone: want an address or subnet without one, such as fe80::/10`,
		"10.0.0.0/8,0.0.0.0":   `"0.0.0.0" is one address that no peer has: want 0.0.0.0/0 for every address, or 0.0.0.0/32 for this one`,
		"::":                   `"::" is one address that no peer has: want ::/0 for every address, or ::/128 for this one`,
		"::ffff:10.0.0.0/90":   `"::ffff:10.0.0.0/90" is wider than all IPv4-mapped addresses: want an IPv4 subnet such as 10.0.0.0/8, or a prefix length of at least 96`,
		"10.0.0.0/8 fd00::/16": `"10.0.0.0/8 fd00::/16"` + notSubnet,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			set, _, err := ParseSubnets(text)
			if err == nil || err.Error() != want || set != nil {
				t.Errorf("ParseSubnets(%q) = %v, %v\nwant %s", text, set, err, want)
			}
		})
	}
}

func TestSubnetSetContains(t *testing.T) {
	t.Parallel()
	set, _, err := ParseSubnets("10.0.0.0/8,192.168.1.0/24,fd00::/8,2001:db8::1")
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"9.255.255.255": false, "10.0.0.0": true, "10.255.255.255": true, "11.0.0.0": false,
		"192.168.0.255": false, "192.168.1.0": true, "192.168.1.255": true, "192.168.2.0": false,
		"0.0.0.0": false, "255.255.255.255": false,
		"fcff::": false, "fd00::": true, "fdff:ffff::1": true, "fe00::": false,
		"2001:db8::": false, "2001:db8::1": true, "2001:db8::2": false, "::": false,
		"::ffff:10.1.2.3": true, "fd00::1%eth0": true,
	} {
		if set.Contains(netip.MustParseAddr(addr)) != want {
			t.Errorf("%s contains %s: %v, want %v", set, addr, !want, want)
		}
	}
	if SubnetSet(nil).Contains(netip.MustParseAddr("::1")) || set.Contains(netip.Addr{}) {
		t.Error("something is in nothing")
	}
}

func TestSubnetSetUnion(t *testing.T) {
	t.Parallel()
	a := SubnetSet{netip.MustParsePrefix("10.0.0.0/9"), netip.MustParsePrefix("fd00::/8")}
	b := SubnetSet{netip.MustParsePrefix("10.128.0.0/9"), netip.MustParsePrefix("fd12::/16")}
	if got, want := a.Union(b).String(), "10.0.0.0/8,fd00::/8"; got != want {
		t.Errorf("union = %s, want %s", got, want)
	}
	if a.String() != "10.0.0.0/9,fd00::/8" || b.String() != "10.128.0.0/9,fd12::/16" {
		t.Errorf("union changed what it was made of: %s, %s", a, b)
	}
}

// Merging is one pass after sorting; were it quadratic, 200,000 subnets would
// take minutes and run into the test's time-out.
func TestManySubnetsAreMergedInOnePass(t *testing.T) {
	t.Parallel()
	const n = 200_000
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "10.%d.%d.%d/32,", i>>16, i>>8&255, i&255)
	}
	set, _, err := ParseSubnets(strings.TrimSuffix(list.String(), ","))
	if err != nil {
		t.Fatal(err)
	}
	// 200,000 is 11 0000 1101 0100 0000 in binary: one prefix for each 1.
	if got, want := set.String(), "10.0.0.0/15,10.2.0.0/16,10.3.0.0/21,10.3.8.0/22,10.3.12.0/24,10.3.13.0/26"; got != want {
		t.Errorf("merged to %s, want %s", got, want)
	}
}
