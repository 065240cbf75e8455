package nftables

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// reg is the one register that our rules use (NFT_REG_1).
const reg = unix.NFT_REG_1

// Offsets of addresses in the network header: RFC 791 section 3.1, RFC 8200
// section 3. The destination port in the TCP header: RFC 9293 section 3.1.
const (
	ip4Saddr, ip4Daddr = 12, 16
	ip6Saddr, ip6Daddr = 8, 24
	tcpDport           = 2
)

// ifNameSize is IFNAMSIZ (linux/if.h): the kernel compares whole names.
const ifNameSize = 16

// natRangeSpecified is NF_NAT_RANGE_PROTO_SPECIFIED (linux/netfilter/nf_nat.h).
const natRangeSpecified = 2

// rule writes the rule as the kernel's expressions: each loads something into
// the register, or compares what is there, or ends the rule. A rule has one list
// at most (see split), so one set name is enough.
func (e *encoder) rule(r kernelRule, family byte) {
	m := r.Match
	if m.TCP {
		e.meta(unix.NFT_META_L4PROTO)
		e.equals([]byte{unix.IPPROTO_TCP})
	}
	if len(m.DstPorts) > 0 {
		e.payload(unix.NFT_PAYLOAD_TRANSPORT_HEADER, tcpDport, 2)
		e.in(r.set)
	}
	if m.DstLocal {
		e.expression("fib", func() {
			e.u32(unix.NFTA_FIB_DREG, reg)
			e.u32(unix.NFTA_FIB_FLAGS, unix.NFTA_FIB_F_DADDR)
			e.u32(unix.NFTA_FIB_RESULT, unix.NFT_FIB_RESULT_ADDRTYPE)
		})
		e.equals(native(unix.RTN_LOCAL))
	}
	if m.Family != plan.Any && family == unix.NFPROTO_INET {
		proto := byte(unix.NFPROTO_IPV4)
		if m.Family == plan.IPv6 {
			proto = unix.NFPROTO_IPV6
		}
		e.meta(unix.NFT_META_NFPROTO)
		e.equals([]byte{proto})
	}
	if len(m.Src) > 0 {
		e.address(m.Family, ip4Saddr, ip6Saddr)
		e.in(r.set)
	}
	if len(m.Dst) > 0 {
		e.address(m.Family, ip4Daddr, ip6Daddr)
		e.in(r.set)
	}
	if len(m.UID) > 0 {
		e.meta(unix.NFT_META_SKUID)
		e.idIn(m.UID, r.set)
	}
	if len(m.GID) > 0 {
		e.meta(unix.NFT_META_SKGID)
		e.idIn(m.GID, r.set)
	}
	if m.OutInterface != "" {
		name := make([]byte, ifNameSize)
		copy(name, m.OutInterface)
		e.meta(unix.NFT_META_OIFNAME)
		e.equals(name)
	}
	e.expression("counter", func() {})
	if r.Verdict.Kind == plan.Redirect {
		e.immediate(reg, func() { e.bytes(unix.NFTA_DATA_VALUE, binary.BigEndian.AppendUint16(nil, r.Verdict.Port)) })
		e.expression("redir", func() {
			e.u32(unix.NFTA_REDIR_REG_PROTO_MIN, reg)
			e.u32(unix.NFTA_REDIR_REG_PROTO_MAX, reg)
			e.u32(unix.NFTA_REDIR_FLAGS, natRangeSpecified)
		})
		return
	}
	e.immediate(unix.NFT_REG_VERDICT, func() {
		e.nest(unix.NFTA_DATA_VERDICT, func() { e.u32(unix.NFTA_VERDICT_CODE, nfAccept) })
	})
}

// expression writes one expression with the attributes that body writes.
func (e *encoder) expression(name string, body func()) {
	e.nest(unix.NFTA_LIST_ELEM, func() {
		e.str(unix.NFTA_EXPR_NAME, name)
		e.nest(unix.NFTA_EXPR_DATA, body)
	})
}

// value writes an attribute that holds a value.
func (e *encoder) value(kind uint16, data []byte) {
	e.nest(kind, func() { e.bytes(unix.NFTA_DATA_VALUE, data) })
}

func (e *encoder) meta(key uint32) {
	e.expression("meta", func() {
		e.u32(unix.NFTA_META_KEY, key)
		e.u32(unix.NFTA_META_DREG, reg)
	})
}

func (e *encoder) payload(base, offset, size uint32) {
	e.expression("payload", func() {
		e.u32(unix.NFTA_PAYLOAD_DREG, reg)
		e.u32(unix.NFTA_PAYLOAD_BASE, base)
		e.u32(unix.NFTA_PAYLOAD_OFFSET, offset)
		e.u32(unix.NFTA_PAYLOAD_LEN, size)
	})
}

func (e *encoder) address(f plan.Family, off4, off6 uint32) {
	if f == plan.IPv6 {
		e.payload(unix.NFT_PAYLOAD_NETWORK_HEADER, off6, 16)
		return
	}
	e.payload(unix.NFT_PAYLOAD_NETWORK_HEADER, off4, 4)
}

func (e *encoder) equals(data []byte) {
	e.expression("cmp", func() {
		e.u32(unix.NFTA_CMP_SREG, reg)
		e.u32(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ)
		e.value(unix.NFTA_CMP_DATA, data)
	})
}

func (e *encoder) in(setName string) {
	e.expression("lookup", func() {
		e.u32(unix.NFTA_LOOKUP_SREG, reg)
		e.str(unix.NFTA_LOOKUP_SET, setName)
	})
}

// idIn compares the id in the register, which is in host byte order, with one
// id, a range or a set; the kernel compares the latter two as big-endian bytes.
func (e *encoder) idIn(ids []plan.IDRange, setName string) {
	r := ids[0]
	if len(ids) == 1 && r.First == r.Last {
		e.equals(native(r.First))
		return
	}
	e.expression("byteorder", func() {
		e.u32(unix.NFTA_BYTEORDER_SREG, reg)
		e.u32(unix.NFTA_BYTEORDER_DREG, reg)
		e.u32(unix.NFTA_BYTEORDER_OP, unix.NFT_BYTEORDER_HTON)
		e.u32(unix.NFTA_BYTEORDER_LEN, 4)
		e.u32(unix.NFTA_BYTEORDER_SIZE, 4)
	})
	if len(ids) > 1 {
		e.in(setName)
		return
	}
	e.expression("range", func() {
		e.u32(unix.NFTA_RANGE_SREG, reg)
		e.u32(unix.NFTA_RANGE_OP, unix.NFT_RANGE_EQ)
		e.value(unix.NFTA_RANGE_FROM_DATA, binary.BigEndian.AppendUint32(nil, r.First))
		e.value(unix.NFTA_RANGE_TO_DATA, binary.BigEndian.AppendUint32(nil, r.Last))
	})
}

// immediate writes a constant, or a verdict, to a register.
func (e *encoder) immediate(register uint32, data func()) {
	e.expression("immediate", func() {
		e.u32(unix.NFTA_IMMEDIATE_DREG, register)
		e.nest(unix.NFTA_IMMEDIATE_DATA, data)
	})
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
