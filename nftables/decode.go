package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// decoder turns one rule of the kernel into an apply.Rule by following what its
// register holds from expression to expression. It knows the expressions that
// compile writes, and nft's way of writing the same; anything else makes the
// rule one that is not understood.
type decoder struct {
	family byte // the table's
	sets   []liveSet
	others bool // the table is not ours: single addresses are understood as well
	rule   apply.Rule
	holds  source    // what the first register was loaded with
	imm    [3][]byte // the constants in the first registers, by their numbers

	atLeast  []byte   // the lower end of a range whose upper end comes next
	ended    bool     // a verdict was seen
	branches bool     // a map of verdicts was seen
	unknowns []string // what was not understood, in words
}

// source is what the register was loaded with.
type source uint8

const (
	nothing source = iota
	l4proto
	nfproto
	skuid
	skgid
	oifname
	fibType
	saddr4
	daddr4
	saddr6
	daddr6
	dport
	constant
	skuidBytes // turned to big-endian, for ranges
	skgidBytes
)

// decodeRule reads the attributes of one NFT_MSG_NEWRULE.
func decodeRule(body []byte, family byte, sets []liveSet) (chain string, r apply.Rule, err error) {
	d := decoder{family: family, sets: sets}
	chain, err = d.decode(body)
	if err != nil {
		return chain, apply.Rule{}, err
	}
	if !d.ended {
		d.unknown("no verdict")
	}
	d.rule.NotUnderstood = strings.Join(d.unknowns, "; ")
	return chain, d.rule, nil
}

// decode reads a rule, and notes what it does not understand.
func (d *decoder) decode(body []byte) (chain string, err error) {
	a := attrs{rest: body}
	for a.next() {
		switch a.kind {
		case unix.NFTA_RULE_CHAIN:
			chain = a.str()
		case unix.NFTA_RULE_EXPRESSIONS:
			list := a.nested()
			for list.next() {
				if err := d.expression(list.nested()); err != nil {
					return chain, err
				}
			}
			if err := list.fail("a rule's expressions"); err != nil {
				return chain, err
			}
		case unix.NFTA_RULE_USERDATA:
			if comment := udata(a.data, udataRuleComment); comment != "" {
				d.rule.Name, d.rule.Stamp = apply.ParseComment(comment)
			}
		}
	}
	if d.atLeast != nil {
		d.unknown("a range without an end")
	}
	return chain, a.fail("a rule")
}

// unknown notes something that was not understood.
func (d *decoder) unknown(format string, args ...any) {
	d.unknowns = append(d.unknowns, fmt.Sprintf(format, args...))
}

// expression reads one expression: a name and its own attributes.
func (d *decoder) expression(a attrs) error {
	var name string
	var data attrs
	for a.next() {
		switch a.kind {
		case unix.NFTA_EXPR_NAME:
			name = a.str()
		case unix.NFTA_EXPR_DATA:
			data = a.nested()
		}
	}
	if err := a.fail("an expression"); err != nil {
		return err
	}
	if d.ended {
		d.unknown("%s after the verdict", name)
		return nil
	}
	var v [maxAttr]value
	for data.next() {
		if data.kind < maxAttr {
			v[data.kind] = value{data.data, true}
		}
	}
	if err := data.fail("expression " + name); err != nil {
		return err
	}
	switch name {
	case "meta":
		d.load(v[unix.NFTA_META_DREG], metaSource(v[unix.NFTA_META_KEY]), "meta")
	case "payload":
		d.load(v[unix.NFTA_PAYLOAD_DREG], payloadSource(v[:], d.others), "payload")
	case "fib":
		src := nothing
		if v[unix.NFTA_FIB_FLAGS].is(unix.NFTA_FIB_F_DADDR) && v[unix.NFTA_FIB_RESULT].is(unix.NFT_FIB_RESULT_ADDRTYPE) {
			src = fibType
		}
		d.load(v[unix.NFTA_FIB_DREG], src, "fib")
	case "byteorder":
		d.byteorder(v[:])
	case "cmp":
		src, with := d.reads(v[unix.NFTA_CMP_SREG]), dataValue(v[unix.NFTA_CMP_DATA].data)
		if v[unix.NFTA_CMP_OP].is(unix.NFT_CMP_EQ) {
			d.compare(src, with)
		} else {
			d.bound(src, v[unix.NFTA_CMP_OP], with)
		}
	case "range":
		if !v[unix.NFTA_RANGE_OP].is(unix.NFT_RANGE_EQ) {
			d.unknown("a range that is excluded")
		}
		d.ids(d.reads(v[unix.NFTA_RANGE_SREG]), dataValue(v[unix.NFTA_RANGE_FROM_DATA].data), dataValue(v[unix.NFTA_RANGE_TO_DATA].data))
	case "lookup":
		d.lookup(v[:])
	case "counter":
		d.rule.Counter = &apply.Counter{Bytes: v[unix.NFTA_COUNTER_BYTES].u64(), Packets: v[unix.NFTA_COUNTER_PACKETS].u64()}
	case "immediate":
		return d.immediate(v[:])
	case "redir":
		d.redirect(v[:])
	case "nat":
		d.nat(v[:])
	case "masq":
		d.ends("masquerade")
	case "reject", "queue":
		d.ends(name)
	case "notrack", "tproxy": // no verdicts, but what follows depends on them
		d.rule.Other = name
	case "target":
		d.ends(v[targetName].str())
	case "match":
		d.unknown("match %s", v[targetName].str())
	case "dynset":
		d.set(v[dynsetName])
		d.unknown("expression %s", name)
	case "objref":
		d.set(v[objrefSetName])
		d.unknown("expression %s", name)
	default:
		d.unknown("expression %s", name)
	}
	return nil
}

// load notes what the register holds. Simple matches, nft's and ours, use the
// first register only; any other is not followed.
func (d *decoder) load(dreg value, src source, what string) {
	for n := range d.imm {
		if dreg.is(uint32(n)) {
			d.imm[n] = nil
		}
	}
	if !dreg.is(reg) {
		src = nothing
	}
	if src == nothing {
		d.unknown("%s that shunt does not write", what)
	}
	if d.atLeast != nil {
		d.unknown("a range without an end")
		d.atLeast = nil
	}
	d.holds = src
}

// reads returns what an expression compares: what its source register holds.
func (d *decoder) reads(sreg value) source {
	if !sreg.is(reg) {
		return nothing
	}
	return d.holds
}

func (d *decoder) byteorder(v []value) {
	ok := v[unix.NFTA_BYTEORDER_OP].is(unix.NFT_BYTEORDER_HTON) && v[unix.NFTA_BYTEORDER_LEN].is(4) && v[unix.NFTA_BYTEORDER_SIZE].is(4)
	src := d.reads(v[unix.NFTA_BYTEORDER_SREG])
	switch {
	case ok && src == skuid && v[unix.NFTA_BYTEORDER_DREG].is(reg):
		d.holds = skuidBytes
	case ok && src == skgid && v[unix.NFTA_BYTEORDER_DREG].is(reg):
		d.holds = skgidBytes
	default:
		d.unknown("a change of byte order")
		d.holds = nothing
	}
}

func (d *decoder) compare(src source, data []byte) {
	m := &d.rule.Match
	switch {
	case src == l4proto && len(data) == 1 && data[0] == unix.IPPROTO_TCP:
		m.TCP = true
	case src == nfproto && len(data) == 1 && data[0] == unix.NFPROTO_IPV4 && m.Family != plan.IPv6:
		m.Family = plan.IPv4
	case src == nfproto && len(data) == 1 && data[0] == unix.NFPROTO_IPV6 && m.Family != plan.IPv4:
		m.Family = plan.IPv6
	case src == fibType && len(data) == 4 && binary.NativeEndian.Uint32(data) == unix.RTN_LOCAL:
		m.DstLocal = true
	case src == skuid && len(data) == 4 && m.UID == nil:
		m.UID = single(binary.NativeEndian.Uint32(data))
	case src == skgid && len(data) == 4 && m.GID == nil:
		m.GID = single(binary.NativeEndian.Uint32(data))
	case src == oifname && len(data) == ifNameSize && m.OutInterface == "":
		m.OutInterface = strings.TrimRight(string(data), "\x00")
	case src == dport && len(data) == 2 && m.DstPorts == nil:
		p := binary.BigEndian.Uint16(data)
		m.DstPorts = []plan.PortRange{{First: p, Last: p}}
	case d.others && d.address(src, data):
	default:
		d.unknown("a comparison with %x", data)
	}
}

func single(id uint32) []plan.IDRange { return []plan.IDRange{{First: id, Last: id}} }

// bound reads one end of a range: nft writes a range of ids as "at least"
// followed by "at most".
func (d *decoder) bound(src source, op value, with []byte) {
	switch {
	case op.is(unix.NFT_CMP_GTE) && d.atLeast == nil && len(with) == 4:
		d.atLeast = with
	case op.is(unix.NFT_CMP_LTE) && d.atLeast != nil:
		d.ids(src, d.atLeast, with)
		d.atLeast = nil
	default:
		d.unknown("a comparison that shunt does not write, with %x", with)
	}
}

// ids notes a range of ids, given as big-endian bytes.
func (d *decoder) ids(src source, from, to []byte) {
	m := &d.rule.Match
	if len(from) == 4 && len(to) == 4 {
		r := []plan.IDRange{{First: binary.BigEndian.Uint32(from), Last: binary.BigEndian.Uint32(to)}}
		switch {
		case src == skuidBytes && m.UID == nil:
			m.UID = r
			return
		case src == skgidBytes && m.GID == nil:
			m.GID = r
			return
		}
	}
	d.unknown("a range from %x to %x", from, to)
}

// set returns the name in an attribute and the set of that name, which is then
// one that a rule reads; nil if there is none.
func (d *decoder) set(v value) (string, *liveSet) {
	name := v.str()
	for i := range d.sets {
		if d.sets[i].name == name {
			d.sets[i].read = true
			return name, &d.sets[i]
		}
	}
	return name, nil
}

func (d *decoder) lookup(v []value) {
	name, s := d.set(v[unix.NFTA_LOOKUP_SET])
	// NFTA_LOOKUP_FLAGS holds NFT_LOOKUP_F_INV; NFTA_LOOKUP_DREG makes it a map.
	inverted := v[nftaLookupFlags].set && !v[nftaLookupFlags].is(0)
	d.branches = d.branches || v[unix.NFTA_LOOKUP_DREG].is(unix.NFT_REG_VERDICT)
	if s == nil || s.mismatch != "" || inverted || v[unix.NFTA_LOOKUP_DREG].set {
		d.unknown("a lookup in %s", name)
		return
	}
	if len(s.elems) == 0 {
		// An empty set matches nothing, an empty list in a Match everything.
		d.unknown("a lookup in %s, which is empty", name)
		return
	}
	m := &d.rule.Match
	src := d.reads(v[unix.NFTA_LOOKUP_SREG])
	switch {
	case src == dport && s.kind == portKey && m.DstPorts == nil:
		m.DstPorts = portRanges(s.elems)
		return
	case src == skuidBytes && s.kind == uidKey && m.UID == nil:
		m.UID = idRanges(s.elems)
		return
	case (src == saddr4 || src == daddr4) && s.kind == ipv4Key && d.confined(plan.IPv4):
	case (src == saddr6 || src == daddr6) && s.kind == ipv6Key && d.confined(plan.IPv6):
	default:
		d.unknown("a lookup in %s", name)
		return
	}
	if list := prefixes(s.elems, s.kind.width()); src == saddr4 || src == saddr6 {
		m.Src = list
	} else {
		m.Dst = list
	}
}

// address notes an address that is compared, or the beginning of one, and reports
// whether it is understood. Shunt has lists of addresses only.
func (d *decoder) address(src source, data []byte) bool {
	m, fam, size := &d.rule.Match, plan.IPv4, 4
	if src == saddr6 || src == daddr6 {
		fam, size = plan.IPv6, 16
	}
	list := &m.Src
	if src == daddr4 || src == daddr6 {
		list = &m.Dst
	}
	addr, ok := netip.AddrFromSlice(append(slices.Clip(data), make([]byte, max(0, size-len(data)))...))
	if !ok || src < saddr4 || src > daddr6 || *list != nil || !d.confined(fam) {
		return false
	}
	*list = []netip.Prefix{netip.PrefixFrom(addr, 8*len(data))}
	return true
}

// confined makes sure that the rule reads addresses of one family only: by the
// table's family, or by a comparison before.
func (d *decoder) confined(f plan.Family) bool {
	if d.family == unix.NFPROTO_IPV4 && f == plan.IPv4 || d.family == unix.NFPROTO_IPV6 && f == plan.IPv6 {
		d.rule.Match.Family = f
	}
	return d.rule.Match.Family == f
}

// Attributes of expressions (linux/netfilter/nf_tables.h): NFTA_LOOKUP_FLAGS,
// NFTA_DYNSET_SET_NAME, NFTA_OBJREF_SET_NAME; NFTA_TARGET_NAME and NFTA_MATCH_NAME
// (linux/netfilter/nf_tables_compat.h).
const (
	nftaLookupFlags = 5
	dynsetName      = 1
	objrefSetName   = 4
	targetName      = 1
)
