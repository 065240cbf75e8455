package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// ends notes a verdict that shunt never writes.
func (d *decoder) ends(with string) {
	d.ended, d.rule.Other = true, with
}

func (d *decoder) immediate(v []value) error {
	if dreg := v[unix.NFTA_IMMEDIATE_DREG]; !dreg.is(unix.NFT_REG_VERDICT) {
		for n := range d.imm {
			if dreg.is(uint32(n)) {
				d.imm[n] = dataValue(v[unix.NFTA_IMMEDIATE_DATA].data)
			}
		}
		if dreg.is(reg) {
			d.holds = constant
		}
		return nil
	}
	code, chain, err := verdict(v[unix.NFTA_IMMEDIATE_DATA].data)
	if err != nil {
		return err
	}
	d.ended = true
	switch code {
	case nfAccept, unix.NFT_RETURN:
		// In a base chain, return ends in the policy, which is accept.
		d.rule.Verdict = plan.Verdict{Kind: plan.Bypass}
	case unix.NFT_JUMP, unix.NFT_GOTO:
		d.rule.Jump = chain
	case nfDrop:
		d.ends("drop")
	default:
		d.unknown("verdict %d", code)
	}
	return nil
}

func (d *decoder) redirect(v []value) {
	d.ended = true
	min, max := v[unix.NFTA_REDIR_REG_PROTO_MIN], v[unix.NFTA_REDIR_REG_PROTO_MAX]
	port := d.imm[reg]
	if d.reads(min) != constant || len(port) < 2 || max.set && string(max.data) != string(min.data) {
		d.unknown("a redirect that shunt does not write")
		return
	}
	// Flags hold NF_NAT_RANGE_*; anything but PROTO_SPECIFIED spreads ports.
	if f := v[unix.NFTA_REDIR_FLAGS]; f.set && !f.is(natRangeSpecified) && !f.is(0) {
		d.unknown("a redirect with flags %x", f.data)
	}
	d.rule.Verdict = plan.Verdict{Kind: plan.Redirect, Port: binary.BigEndian.Uint16(port)}
}

// nat reads what translates addresses: one to a constant address and port, in
// nft's words.
func (d *decoder) nat(v []value) {
	text := "snat"
	if v[unix.NFTA_NAT_TYPE].is(unix.NFT_NAT_DNAT) {
		text = "dnat"
	}
	addr, ok := netip.AddrFromSlice(d.constant(v[unix.NFTA_NAT_REG_ADDR_MIN]))
	port := d.constant(v[unix.NFTA_NAT_REG_PROTO_MIN])
	switch {
	case ok && len(port) >= 2:
		text += " to " + netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port)).String()
	case ok:
		text += " to " + addr.String()
	case len(port) >= 2:
		text += fmt.Sprintf(" to :%d", binary.BigEndian.Uint16(port))
	}
	d.ends(text)
}

// constant returns what a register holds, if it is a constant.
func (d *decoder) constant(sreg value) []byte {
	for n, data := range d.imm {
		if sreg.is(uint32(n)) {
			return data
		}
	}
	return nil
}
