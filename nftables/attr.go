package nftables

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// attrs iterates over a run of netlink attributes (linux/netlink.h, struct
// nlattr). It allocates nothing; a malformed run ends the iteration with err.
type attrs struct {
	rest []byte
	kind uint16 // without the nested and byte-order flags
	data []byte
	err  error
}

const attrHeader = 4

// attrTypeMask leaves out NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const attrTypeMask = 0x3fff

var errMalformed = errors.New("malformed netlink attribute")

func (a *attrs) next() bool {
	if len(a.rest) == 0 || a.err != nil {
		return false
	}
	if len(a.rest) < attrHeader {
		a.err = errMalformed
		return false
	}
	size := int(binary.NativeEndian.Uint16(a.rest))
	if size < attrHeader || size > len(a.rest) {
		a.err = errMalformed
		return false
	}
	a.kind = binary.NativeEndian.Uint16(a.rest[2:]) & attrTypeMask
	a.data = a.rest[attrHeader:size]
	a.rest = a.rest[min(align4(size), len(a.rest)):]
	return true
}

// u32 returns the attribute as a big-endian number, as nearly all numbers of
// nftables are; anything but four bytes is malformed.
func (a *attrs) u32() uint32 {
	if len(a.data) != 4 {
		a.err = errMalformed
		return 0
	}
	return binary.BigEndian.Uint32(a.data)
}

func (a *attrs) u64() uint64 {
	if len(a.data) != 8 {
		a.err = errMalformed
		return 0
	}
	return binary.BigEndian.Uint64(a.data)
}

// str returns the attribute as a string without its terminating zero.
func (a *attrs) str() string {
	d := a.data
	if n := len(d); n > 0 && d[n-1] == 0 {
		d = d[:n-1]
	}
	return string(d)
}

// nested returns an iterator over the attribute's own attributes.
func (a *attrs) nested() attrs { return attrs{rest: a.data} }

// fail wraps the iteration's error, if any, with what was being read.
func (a *attrs) fail(what string) error {
	if a.err == nil {
		return nil
	}
	return fmt.Errorf("decode %s: %w", what, a.err)
}

// appendString appends a string attribute, zero-terminated and padded.
func appendString(b []byte, kind uint16, s string) []byte {
	size := attrHeader + len(s) + 1
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, s...)
	return append(b, make([]byte, align4(size)-size+1)...)
}
