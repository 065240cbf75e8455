package nftables

// Userdata is a list of type, length, value, one byte each for the first two
// (libnftnl, udata.h). Its strings end in a zero, its numbers have the host's
// byte order.
const (
	udataRuleComment     = 0 // NFTNL_UDATA_RULE_COMMENT
	udataSetKeyByteOrder = 0 // NFTNL_UDATA_SET_KEYBYTEORDER
	udataSetComment      = 7 // NFTNL_UDATA_SET_COMMENT
)

// appendUdata appends one entry, of at most 255 bytes.
func appendUdata(b []byte, kind byte, data []byte) []byte {
	return append(append(b, kind, byte(len(data))), data...)
}

// udata returns the text of one kind; empty if there is none.
func udata(b []byte, kind byte) string {
	for len(b) >= 2 {
		size := 2 + int(b[1])
		if size > len(b) {
			return ""
		}
		if b[0] == kind {
			text := b[2:size]
			if n := len(text); n > 0 && text[n-1] == 0 {
				text = text[:n-1]
			}
			return string(text)
		}
		b = b[size:]
	}
	return ""
}
