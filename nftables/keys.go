package nftables

// keyKind says what the keys of a set are. The kernel compares them as
// big-endian bytes, whatever they mean.
type keyKind uint8

const (
	unknownKey keyKind = iota
	portKey
	ipv4Key
	ipv6Key
	uidKey
)

// width returns the size of a key in bytes.
func (k keyKind) width() int { return [...]int{portKey: 2, ipv4Key: 4, ipv6Key: 16, uidKey: 4}[k] }

// String returns the kind's name in nft.
func (k keyKind) String() string {
	return [...]string{"unknown", "inet_service", "ipv4_addr", "ipv6_addr", "uid"}[k]
}

// number returns nft's number for the kind (enum datatypes in nftables,
// include/datatype.h), which the kernel only stores.
func (k keyKind) number() uint32 {
	return [...]uint32{portKey: 13, ipv4Key: 7, ipv6Key: 8, uidKey: 24}[k]
}

// byteOrder returns nft's number for the byte order that values of the kind have
// outside a set (enum byteorder in nftables, include/datatype.h).
func (k keyKind) byteOrder() uint32 {
	const host, bigEndian = 1, 2
	if k == uidKey {
		return host
	}
	return bigEndian
}

// keyKindOf returns the kind with that number and width in bytes.
func keyKindOf(number, width uint32) keyKind {
	for k := portKey; k <= uidKey; k++ {
		if k.number() == number && k.width() == int(width) {
			return k
		}
	}
	return unknownKey
}
