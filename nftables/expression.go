package nftables

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"
)

// maxAttr is more than the highest attribute of any expression that is read.
const maxAttr = 16

// value is one attribute of an expression, if it was there.
type value struct {
	data []byte
	set  bool
}

// is reports whether the attribute is there and holds that number.
func (v value) is(n uint32) bool {
	return len(v.data) == 4 && binary.BigEndian.Uint32(v.data) == n
}

// str returns the attribute as a string without its terminating zero.
func (v value) str() string { return strings.TrimRight(string(v.data), "\x00") }

func (v value) u64() uint64 {
	if len(v.data) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v.data)
}

func metaSource(key value) source {
	switch {
	case key.is(unix.NFT_META_L4PROTO):
		return l4proto
	case key.is(unix.NFT_META_NFPROTO):
		return nfproto
	case key.is(unix.NFT_META_SKUID):
		return skuid
	case key.is(unix.NFT_META_SKGID):
		return skgid
	case key.is(unix.NFT_META_OIFNAME):
		return oifname
	}
	return nothing
}

// payloadSource returns what is loaded of a packet; with parts, also where it is
// only the beginning of an address, as nft loads it for a /8, /16 or /24.
func payloadSource(v []value, parts bool) source {
	base, off, size := v[unix.NFTA_PAYLOAD_BASE], v[unix.NFTA_PAYLOAD_OFFSET], v[unix.NFTA_PAYLOAD_LEN]
	network := base.is(unix.NFT_PAYLOAD_NETWORK_HEADER)
	address := func(offset, width uint32) bool {
		for n := width; n > 0; n-- {
			if size.is(n) {
				return network && off.is(offset)
			}
			if !parts {
				break
			}
		}
		return false
	}
	switch {
	case base.is(unix.NFT_PAYLOAD_TRANSPORT_HEADER) && off.is(tcpDport) && size.is(2):
		return dport
	case address(ip4Saddr, 4):
		return saddr4
	case address(ip4Daddr, 4):
		return daddr4
	case address(ip6Saddr, 16):
		return saddr6
	case address(ip6Daddr, 16):
		return daddr6
	}
	return nothing
}

// dataValue unwraps NFTA_DATA_VALUE.
func dataValue(b []byte) []byte {
	a := attrs{rest: b}
	for a.next() {
		if a.kind == unix.NFTA_DATA_VALUE {
			return a.data
		}
	}
	return nil
}

// verdict unwraps NFTA_DATA_VERDICT: its code and, for a jump, its chain.
func verdict(b []byte) (code int32, chain string, err error) {
	data := attrs{rest: b}
	for data.next() {
		if data.kind != unix.NFTA_DATA_VERDICT {
			continue
		}
		a := data.nested()
		for a.next() {
			switch a.kind {
			case unix.NFTA_VERDICT_CODE:
				code = int32(a.u32())
			case unix.NFTA_VERDICT_CHAIN:
				chain = a.str()
			}
		}
		if err := a.fail("a verdict"); err != nil {
			return 0, "", err
		}
	}
	return code, chain, data.fail("a verdict")
}
