package nftables

import (
	"encoding/binary"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"shunt/plan"
)

// reg is the one register that our rules use (NFT_REG_1).
const reg = 1

// Offsets of addresses in the network header: RFC 791 section 3.1, RFC 8200
// section 3. The destination port in the TCP header: RFC 9293 section 3.1.
const (
	ip4Saddr, ip4Daddr = 12, 16
	ip6Saddr, ip6Daddr = 8, 24
	tcpDport           = 2
)

// ifNameSize is IFNAMSIZ (linux/if.h): the kernel compares whole names.
const ifNameSize = 16

// compile returns the rule as the kernel's expressions. A rule has one list
// at most (see split), so one set name is enough.
func compile(r kernelRule, family byte) []expr.Any {
	var e []expr.Any
	m := r.Match
	if m.TCP {
		e = append(e, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}, equals([]byte{unix.IPPROTO_TCP}))
	}
	if len(m.DstPorts) > 0 {
		e = append(e, &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: tcpDport, Len: 2}, in(r.set))
	}
	if m.DstLocal {
		e = append(e, &expr.Fib{Register: reg, FlagDADDR: true, ResultADDRTYPE: true}, equals(native(unix.RTN_LOCAL)))
	}
	if m.Family != plan.Any && family == unix.NFPROTO_INET {
		proto := byte(unix.NFPROTO_IPV4)
		if m.Family == plan.IPv6 {
			proto = unix.NFPROTO_IPV6
		}
		e = append(e, &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg}, equals([]byte{proto}))
	}
	if len(m.Src) > 0 {
		e = append(e, address(m.Family, ip4Saddr, ip6Saddr), in(r.set))
	}
	if len(m.Dst) > 0 {
		e = append(e, address(m.Family, ip4Daddr, ip6Daddr), in(r.set))
	}
	if len(m.UID) > 0 {
		e = append(append(e, &expr.Meta{Key: expr.MetaKeySKUID, Register: reg}), idIn(m.UID, r.set)...)
	}
	if len(m.GID) > 0 {
		e = append(append(e, &expr.Meta{Key: expr.MetaKeySKGID, Register: reg}), idIn(m.GID, r.set)...)
	}
	if m.OutInterface != "" {
		name := make([]byte, ifNameSize)
		copy(name, m.OutInterface)
		e = append(e, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg}, equals(name))
	}
	e = append(e, &expr.Counter{})
	if r.Verdict.Kind == plan.Redirect {
		return append(e,
			&expr.Immediate{Register: reg, Data: binaryutil.BigEndian.PutUint16(r.Verdict.Port)},
			&expr.Redir{RegisterProtoMin: reg, RegisterProtoMax: reg, Flags: natRangeSpecified})
	}
	return append(e, &expr.Verdict{Kind: expr.VerdictAccept})
}

// natRangeSpecified is NF_NAT_RANGE_PROTO_SPECIFIED (linux/netfilter/nf_nat.h).
const natRangeSpecified = 2

func equals(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: data}
}

func in(setName string) expr.Any {
	return &expr.Lookup{SourceRegister: reg, SetName: setName}
}

func address(f plan.Family, off4, off6 uint32) expr.Any {
	p := &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: off4, Len: 4}
	if f == plan.IPv6 {
		p.Offset, p.Len = off6, 16
	}
	return p
}

// idIn compares the id in the register, which is in host byte order, with one
// id, a range or a set; the kernel compares the latter two as big-endian bytes.
func idIn(ids []plan.IDRange, setName string) []expr.Any {
	r := ids[0]
	if len(ids) == 1 && r.First == r.Last {
		return []expr.Any{equals(native(r.First))}
	}
	bigEndian := &expr.Byteorder{SourceRegister: reg, DestRegister: reg, Op: expr.ByteorderHton, Len: 4, Size: 4}
	if len(ids) > 1 {
		return []expr.Any{bigEndian, in(setName)}
	}
	return []expr.Any{
		bigEndian,
		&expr.Range{Op: expr.CmpOpEq, Register: reg, FromData: binaryutil.BigEndian.PutUint32(r.First), ToData: binaryutil.BigEndian.PutUint32(r.Last)},
	}
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
