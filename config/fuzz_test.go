package config

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzPorts checks that a list's canonical form is canonical, reads back as
// itself, and holds exactly what the list's entries hold.
func FuzzPorts(f *testing.F) {
	for _, seed := range []string{"", "80", "4190, 8080", "0-65535", "80,82,81", "100-200,150-250", "65535,0", "80-", "200-100", "80,,81", "99999", "abc"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParsePorts(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		for i, r := range set {
			if r.First > r.Last || i > 0 && int(set[i-1].Last)+1 >= int(r.First) {
				t.Fatalf("%q became %v: not sorted, or not merged", text, set)
			}
		}
		if again, err := ParsePorts(set.String()); err != nil || !slices.Equal(again, set) {
			t.Fatalf("%q became %q, which reads back as %v, %v", text, set, again, err)
		}
		given, _, _ := parseSpans(text, portNumbers())
		for _, edge := range edges(given, 65535) {
			if set.Contains(uint16(edge)) != within(given, edge) {
				t.Fatalf("%q became %q: they differ on %d", text, set, edge)
			}
		}
		if union := set.Union(set, PortSet{{80, 90}}); !slices.Equal(union, set.Union(PortSet{{80, 90}})) || !union.Contains(85) {
			t.Fatalf("the union of %q with 80-90 is %q", set, union)
		}
	})
}

// FuzzIDs is FuzzPorts for lists of user ids.
func FuzzIDs(f *testing.F) {
	for _, seed := range []string{"", "0", "1000-1999, 2000", "4294967294", "4294967295", "0-4294967294,5", "-1", "2-1", "1,,2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseIDs(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		for i, r := range set {
			if r.First > r.Last || i > 0 && uint64(set[i-1].Last)+1 >= uint64(r.First) {
				t.Fatalf("%q became %v: not sorted, or not merged", text, set)
			}
		}
		if again, err := ParseIDs(set.String()); err != nil || !slices.Equal(again, set) {
			t.Fatalf("%q became %q, which reads back as %v, %v", text, set, again, err)
		}
		given, _, _ := parseSpans(text, userIDs())
		for _, edge := range edges(given, uint32(MaxID)) {
			if set.Contains(ID(edge)) != within(given, edge) {
				t.Fatalf("%q became %q: they differ on %d", text, set, edge)
			}
		}
	})
}

// edges returns the numbers at which membership can change, and their
// neighbours. It samples long lists: each edge costs a pass over the list.
func edges(spans []span, highest uint32) []uint32 {
	found := []uint32{0, highest}
	for _, s := range spans[:min(len(spans), 200)] {
		found = append(found, s.first, s.last)
		if s.first > 0 {
			found = append(found, s.first-1)
		}
		if s.last < highest {
			found = append(found, s.last+1)
		}
	}
	return found
}

func within(spans []span, n uint32) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.first <= n && n <= s.last })
}

// FuzzSubnets is FuzzPorts for lists of subnets.
func FuzzSubnets(f *testing.F) {
	for _, seed := range []string{
		"", "10.0.0.0/8,10.1.0.0/16", "10.0.0.0/9,10.128.0.0/9", "::/0,0.0.0.0/0", "fd00::1/8, 10.1.2.3", "::ffff:10.0.0.0/104",
		"::ffff:0:0/95", "fe80::1%eth0", "300.1.1.1/8", "10.0.0.1/33", "::fffe:0:0/96,::ffff:0:0/96,::/95", "255.255.255.255,255.255.255.254",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, _, err := ParseSubnets(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		for i, p := range set {
			if p != p.Masked() || p.Addr().Is4In6() {
				t.Fatalf("%q became %q: %s is not canonical", text, set, p)
			}
			if i == 0 {
				continue
			}
			before := set[i-1]
			if before.Addr().Compare(p.Addr()) >= 0 || before.Overlaps(p) {
				t.Fatalf("%q became %q: not sorted, or not disjoint", text, set)
			}
			if before.Bits() == p.Bits() && p.Bits() > 0 && netip.PrefixFrom(before.Addr(), p.Bits()-1).Masked().Contains(p.Addr()) &&
				before.Addr().BitLen() == p.Addr().BitLen() {
				t.Fatalf("%q became %q: %s and %s are not joined", text, set, before, p)
			}
		}
		again, warnings, err := ParseSubnets(set.String())
		if err != nil || len(warnings) > 0 || !slices.Equal(again, set) {
			t.Fatalf("%q became %q, which reads back as %v, %v, %v", text, set, again, warnings, err)
		}
		given, _, _ := parsePrefixes(text)
		for _, p := range given[:min(len(given), 200)] {
			last := lastOf(p)
			for _, addr := range []netip.Addr{p.Addr(), p.Addr().Prev(), last, last.Next()} {
				if !addr.IsValid() || addr.Is4In6() { // past the end of the family, or into the other one
					continue
				}
				inGiven := slices.ContainsFunc(given, func(p netip.Prefix) bool { return p.Contains(addr) })
				if set.Contains(addr) != inGiven {
					t.Fatalf("%q became %q: they differ on %s", text, set, addr)
				}
			}
		}
	})
}

func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// FuzzFile checks that a file of any content is an InputError of one line, or
// a configuration that validates or says on one line why not, and whose every
// value reads back from its canonical text.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "skip-ports: [80, 4000-4100]\nproxy-uid: '5'\n", `{"inbound-ports-to-ignore": ["4190,4191"], "ipv6": false}`,
		"backend: nftables\niptables-mode: legacy\n", "skip-subnets: 10.0.0.1/8, fd00::/8\nskip-outbound-uids: [0, 1000-1999]\n",
		"a: &a [1]\nskip-ports: *a\n", "lock-timeout: 5s\ntimeout-close-wait-secs: 0o7\n", "ipv6: yes\n...\nx", "<<: {ipv6: no}",
		"skip-ports: {a: b}\n", "inbound-port: !!str 5\n", "? [a]\n: b\n", "\xff\xfei\x00p\x00v\x006\x00", "skip-ports: |\n  80,81\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		settings := Settings()
		c := Standard()
		l, err := parseFile("file x", []byte(text), settings)
		if err == nil {
			err = c.apply(settings, l)
		}
		if err != nil {
			oneLine(t, err)
			return
		}
		if _, err := c.Validate(); err != nil {
			oneLine(t, err)
		}
		for _, s := range settings {
			again, canonical := c, s.Get(&c)
			if s.Name == settingSkipPorts {
				continue
			}
			if err := s.Set(&again, Value{Source: "again", Text: canonical}); err != nil || s.Get(&again) != canonical {
				t.Fatalf("%s: %q reads back as %q, %v", s.Name, canonical, s.Get(&again), err)
			}
		}
	})
}

// FuzzAnnotationsFile checks that what reads as annotations reads the same
// once Kubernetes has written it again.
func FuzzAnnotationsFile(f *testing.F) {
	for _, seed := range []string{"", "a=\"b\"\n", "linkerd.io/skip-ports=\"80, 81\"\nnote=\"x\\ny\"", "a=`b`", "a=\"b", "=\"\"", "a=\"\"\na=\"\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		annotations, err := ReadAnnotations(bytes.NewReader(data))
		if err != nil {
			oneLine(t, err)
			return
		}
		again, err := ReadAnnotations(strings.NewReader(formatMap(annotations)))
		if err != nil || !maps.Equal(again, annotations) {
			t.Fatalf("%q became %q, which reads back as %q, %v", data, annotations, again, err)
		}
		if _, err := MergeAnnotations(Standard(), annotations, annotations, ModeCNI); err != nil {
			oneLine(t, err)
		}
	})
}

// formatMap writes annotations as Kubernetes' downward API does.
func formatMap(annotations map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		lines = append(lines, key+"="+strconv.Quote(annotations[key]))
	}
	return strings.Join(lines, "\n")
}

// oneLine fails unless err is one line of bearable length.
func oneLine(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if text == "" || len(text) > 1000 || strings.ContainsAny(text, "\n\r") {
		t.Fatalf("not one short line: %q", text)
	}
}
