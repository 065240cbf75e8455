package iptables

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// layout says where the fields of a family's rule are.
type layout struct {
	address int // size of one: source, destination and their masks come first
	flags   int
	target  int // offset of the target, and behind it that of the next rule
	counter int
	matches int
}

func layoutOf(fam plan.Family) layout {
	if fam == plan.IPv4 {
		return layout{address: 4, flags: 82, target: 88, counter: 96, matches: 112}
	}
	return layout{address: 16, flags: 131, target: 140, counter: 152, matches: 168}
}

// entry is one rule's bytes.
type entry struct {
	data   []byte
	layout layout
}

func (e entry) u16(at int) uint16 { return binary.NativeEndian.Uint16(e.data[at:]) }

// Sizes of struct xt_entry_match and struct xt_entry_target
// (linux/netfilter/x_tables.h), which are laid out alike: the size of the whole,
// the name, the revision.
const (
	targetHeader = 32
	nameAt       = 2
	nameSize     = 29
	revisionAt   = 31
)

// extension is a match or a target.
type extension struct {
	name     string
	revision byte
	data     []byte
}

func extensionOf(b []byte) extension {
	return extension{text(b[nameAt : nameAt+nameSize]), b[revisionAt], b[targetHeader:]}
}

// text returns a string that ends with a zero.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func (e entry) target() extension { return extensionOf(e.data[e.u16(e.layout.target):]) }

// errorTarget is the name of the target that begins a chain (XT_ERROR_TARGET).
const errorTarget = "ERROR"

// entryReader turns entries into rules.
type entryReader struct {
	family plan.Family
	first  [2]uint32 // the first rule of each of our chains

	matches int // how many the last rule had
}

// leads returns which of our chains a rule leads to, or -1.
func (r *entryReader) leads(e entry) int {
	x := e.target()
	if x.name != "" || len(x.data) < 4 {
		return -1
	}
	verdict := binary.NativeEndian.Uint32(x.data)
	for i, first := range r.first {
		if first != 0 && verdict == first {
			return i
		}
	}
	return -1
}

// rule reads one rule; ok is false unless all of it is understood.
func (r *entryReader) rule(e entry) (rule plan.Rule, ok bool) {
	l := e.layout
	m := &rule.Match
	m.Family = r.family
	m.Src, ok = prefixOf(e, 0)
	if !ok {
		return rule, false
	}
	if m.Dst, ok = prefixOf(e, l.address); !ok {
		return rule, false
	}
	interfaces := 4 * l.address
	const in, out, inMask, outMask = 0, unix.IFNAMSIZ, 2 * unix.IFNAMSIZ, 3 * unix.IFNAMSIZ
	name := func(at int) []byte { return e.data[interfaces+at:][:unix.IFNAMSIZ] }
	if !zero(name(in)) || !zero(name(inMask)) {
		return rule, false
	}
	if m.OutInterface, ok = interfaceOf(name(out), name(outMask)); !ok {
		return rule, false
	}
	switch e.u16(interfaces + 4*unix.IFNAMSIZ) {
	case 0:
	case unix.IPPROTO_TCP:
		m.TCP = true
	default:
		return rule, false
	}
	flags := e.data[l.flags]
	if r.family == plan.IPv6 { // a protocol is looked at (IP6T_F_PROTO); behind it the type of service
		if m.TCP != (flags&1 != 0) || e.data[l.flags-1] != 0 {
			return rule, false
		}
		flags &^= 1
	}
	if inverted := e.data[l.flags+1]; flags != 0 || inverted != 0 {
		return rule, false
	}
	target := int(e.u16(l.target))
	r.matches = 0
	for at := l.matches; at < target; r.matches++ {
		if at+targetHeader > target {
			return rule, false
		}
		size := int(e.u16(at))
		if size < targetHeader || at+size > target || !match(&rule, extensionOf(e.data[at:at+size])) {
			return rule, false
		}
		at += size
	}
	if !r.verdict(&rule, e) {
		return rule, false
	}
	counts := e.data[l.counter:]
	rule.Counter = &plan.Counter{Packets: binary.NativeEndian.Uint64(counts), Bytes: binary.NativeEndian.Uint64(counts[8:])}
	return rule, true
}

// plainReturn reports whether a rule returns whatever it meets, as the one does
// that ends a chain.
func (r *entryReader) plainReturn(e entry) bool {
	rule, ok := r.rule(e)
	return ok && r.matches == 0 && rule.Verdict.Kind == plan.Bypass && rule.Match.Equal(plan.Match{Family: r.family})
}

// verdict reads what the rule does.
func (r *entryReader) verdict(rule *plan.Rule, e entry) bool {
	x := e.target()
	v := &rule.Verdict
	switch {
	case x.name == "" && x.revision == 0 && len(x.data) >= 4: // the standard target
		const xtReturn = -5 // XT_RETURN
		if to := r.leads(e); to >= 0 {
			*v = plan.Verdict{Kind: plan.Jump, Chain: hooks()[to].chain}
			return true
		}
		v.Kind = plan.Bypass
		return int32(binary.NativeEndian.Uint32(x.data)) == xtReturn
	case x.name == "REDIRECT" && x.revision == 0:
		// struct nf_nat_ipv4_multi_range_compat and struct nf_nat_range
		// (linux/netfilter/nf_nat.h): the ports stand behind the addresses.
		flags, ports, size := 4, 16, 20
		if r.family == plan.IPv6 {
			flags, ports, size = 0, 36, 40
		}
		if len(x.data) < size || r.family == plan.IPv4 && binary.NativeEndian.Uint32(x.data) != 1 {
			return false
		}
		const portsGiven = 2 // NF_NAT_RANGE_PROTO_SPECIFIED
		low, high := binary.BigEndian.Uint16(x.data[ports:]), binary.BigEndian.Uint16(x.data[ports+2:])
		*v = plan.Verdict{Kind: plan.Redirect, Port: low}
		return binary.NativeEndian.Uint32(x.data[flags:]) == portsGiven && low == high && low != 0
	}
	return false
}

// match reads one match into the rule.
func match(rule *plan.Rule, x extension) bool {
	m := &rule.Match
	switch {
	case x.name == "multiport" && x.revision == 1 && len(x.data) >= 48:
		return m.DstPorts == nil && multiport(m, x.data)
	case x.name == "owner" && x.revision == 1 && len(x.data) >= 20: // struct xt_owner_match_info
		const uid, gid = 1, 2
		n := func(at int) uint32 { return binary.NativeEndian.Uint32(x.data[at:]) }
		list, r := &m.UID, plan.IDRange{First: n(0), Last: n(4)}
		what, inverted := x.data[16], x.data[17]
		if what == gid {
			list, r = &m.GID, plan.IDRange{First: n(8), Last: n(12)}
		}
		if inverted != 0 || what != uid && what != gid || *list != nil || r.First > r.Last {
			return false
		}
		*list = []plan.IDRange{r}
		return true
	case x.name == "addrtype" && x.revision == 1 && len(x.data) >= 8: // struct xt_addrtype_info_v1
		m.DstLocal = true
		return binary.NativeEndian.Uint16(x.data) == 0 && binary.NativeEndian.Uint16(x.data[2:]) == 1<<unix.RTN_LOCAL &&
			binary.NativeEndian.Uint32(x.data[4:]) == 0
	case x.name == "comment" && x.revision == 0:
		// It may have to be written again, as it is.
		first, comment := rule.Name == "", text(x.data)
		rule.Name, rule.Stamp = nameOf(comment)
		return first && stamped(commentOf(rule.Name), rule.Stamp) == comment && !strings.ContainsAny(comment, "\n\r")
	}
	return false
}

// multiport reads destination ports (struct xt_multiport_v1).
func multiport(m *plan.Match, data []byte) bool {
	const destination = 1 // XT_MULTIPORT_DESTINATION
	count, ranges, inverted := int(data[1]), data[32:47], data[47]
	if data[0] != destination || inverted != 0 || count == 0 || count > slots {
		return false
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(data[2+2*i:]) }
	list := make([]plan.PortRange, 0, count)
	for i := 0; i < count; i++ {
		r := plan.PortRange{First: port(i), Last: port(i)}
		if ranges[i] != 0 {
			if i++; i == count {
				return false
			}
			r.Last = port(i)
		}
		if r.Last < r.First || len(list) > 0 && r.First <= list[len(list)-1].Last {
			return false
		}
		list = append(list, r)
	}
	m.DstPorts = list
	return true
}

// prefixOf reads an address and its mask, which is two addresses further on.
func prefixOf(e entry, at int) ([]netip.Prefix, bool) {
	size := e.layout.address
	a, _ := netip.AddrFromSlice(e.data[at : at+size])
	bits, ended := 0, false
	for _, b := range e.data[at+2*size : at+3*size] {
		for bit := 7; bit >= 0; bit-- {
			set := b>>bit&1 != 0
			if set && ended {
				return nil, false // a mask with holes
			}
			if ended = !set; set {
				bits++
			}
		}
	}
	if bits == 0 {
		return nil, a.IsUnspecified()
	}
	p := netip.PrefixFrom(a, bits)
	return []netip.Prefix{p.Masked()}, p == p.Masked()
}

// interfaceOf reads the name of one interface: the mask covers the name and
// the zero behind it, and nothing more.
func interfaceOf(name, mask []byte) (string, bool) {
	if zero(mask) {
		return "", zero(name)
	}
	s := text(name)
	for i, b := range mask {
		if want := byte(math.MaxUint8); i <= len(s) && b != want || i > len(s) && b != 0 {
			return "", false
		}
	}
	return s, oneInterface(s)
}

func zero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }
