package nftables

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// encoder writes a batch: netlink messages between a begin and an end, which the
// kernel carries out all or not at all (nfnetlink_rcv_batch in
// net/netfilter/nfnetlink.c). Libraries would do it too, but the expressions of
// google/nftables alone make the program 188 KB larger, and the encoder of
// mdlayher/netlink takes twelve times as long for the elements of a set.
type encoder struct {
	buf []byte
	seq uint32 // of the messages that are written
}

// encode returns the batch of some operations, which the kernel refuses (ERESTART)
// unless its rules are those of the generation. The begin message has the sequence
// number seq, and the operations have the numbers that follow, one each: an error
// from the kernel carries the number of the message that it is about.
func encode(ops []op, gen, seq uint32) []byte {
	e := &encoder{seq: seq}
	e.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func() {
		e.u32(unix.NFNL_BATCH_GENID, gen)
	})
	for _, o := range ops {
		e.seq++
		o.encode(e)
	}
	e.seq++
	e.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func() {})
	return e.buf
}

// message writes one netlink message with the attributes that body writes.
func (e *encoder) message(kind, flags uint16, family byte, resource uint16, body func()) {
	start := len(e.buf)
	e.buf = append(e.buf, make([]byte, unix.NLMSG_HDRLEN)...)
	e.buf = append(e.buf, family, unix.NFNETLINK_V0)
	e.buf = binary.BigEndian.AppendUint16(e.buf, resource)
	body()
	header := e.buf[start:]
	binary.NativeEndian.PutUint32(header, uint32(len(header)))
	binary.NativeEndian.PutUint16(header[4:], kind)
	binary.NativeEndian.PutUint16(header[6:], flags|unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(header[8:], e.seq)
}

// about writes one message about a table or something in it. The first
// attribute of each kind is the table's name.
func (e *encoder) about(t tableID, kind, flags uint16, body func()) {
	e.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, t.family, 0, func() {
		e.str(unix.NFTA_TABLE_NAME, t.name)
		body()
	})
}

// nest writes an attribute that holds those that body writes.
func (e *encoder) nest(kind uint16, body func()) {
	start := e.open(kind)
	body()
	e.close(start)
}

// open begins an attribute that holds those that follow, up to close.
func (e *encoder) open(kind uint16) (start int) {
	e.buf = binary.NativeEndian.AppendUint16(e.buf, 0)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, kind|unix.NLA_F_NESTED)
	return len(e.buf) - attrHeader
}

func (e *encoder) close(start int) {
	binary.NativeEndian.PutUint16(e.buf[start:], uint16(len(e.buf)-start))
}

func (e *encoder) str(kind uint16, s string) { e.buf = appendString(e.buf, kind, s) }

func (e *encoder) u32(kind uint16, v uint32) {
	e.buf = binary.NativeEndian.AppendUint16(e.buf, attrHeader+4)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, kind)
	e.buf = binary.BigEndian.AppendUint32(e.buf, v)
}

func (e *encoder) bytes(kind uint16, data []byte) {
	size := attrHeader + len(data)
	e.buf = binary.NativeEndian.AppendUint16(e.buf, uint16(size))
	e.buf = binary.NativeEndian.AppendUint16(e.buf, kind)
	e.buf = append(e.buf, data...)
	e.buf = append(e.buf, make([]byte, align4(size)-size)...)
}

func (o addTable) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() {})
}

func (o delTable) encode(e *encoder) { e.about(o.table, unix.NFT_MSG_DELTABLE, 0, func() {}) }

// A set's comment, and the byte order of its keys, are in its userdata, as nft
// writes them.
func (o addSet) encode(e *encoder) {
	data := appendUdata(nil, udataSetKeyByteOrder, native(o.kind.byteOrder()))
	data = appendUdata(data, udataSetComment, append([]byte(setComment(o.name)), 0))
	e.about(o.table, unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, func() {
		e.str(unix.NFTA_SET_NAME, o.name)
		e.u32(unix.NFTA_SET_FLAGS, unix.NFT_SET_INTERVAL)
		e.u32(unix.NFTA_SET_KEY_TYPE, o.kind.number())
		e.u32(unix.NFTA_SET_KEY_LEN, uint32(o.kind.width()))
		e.u32(unix.NFTA_SET_ID, 1) // must be there; rules name sets, not numbers
		e.bytes(unix.NFTA_SET_USERDATA, data)
	})
}

func (o delSet) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_DELSET, 0, func() { e.str(unix.NFTA_SET_NAME, o.name) })
}

func (o addElements) encode(e *encoder) { o.elements.encode(e, unix.NFT_MSG_NEWSETELEM) }
func (o delElements) encode(e *encoder) { o.elements.encode(e, unix.NFT_MSG_DELSETELEM) }

// perMessage is how many intervals go into one message. Together they are one
// attribute, of at most 64 KiB; an interval of IPv6 addresses takes 64 bytes.
const perMessage = 800

// encode writes the intervals as the kernel knows them: a start, and an end that
// is one past the last key, except where it is the highest.
func (s elements) encode(e *encoder, kind uint16) {
	width := s.kind.width()
	e.buf = slices.Grow(e.buf, len(s.list)*40) // what an interval of ports takes
	for part := range slices.Chunk(s.list, perMessage) {
		e.about(s.table, kind, unix.NLM_F_CREATE, func() {
			e.str(unix.NFTA_SET_ELEM_LIST_SET, s.set)
			e.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
				for _, i := range part {
					e.element(i.first, false, width)
					if i.last != highest(width) {
						e.element(i.last.next(), true, width)
					}
				}
			})
		})
	}
}

func (e *encoder) element(k key, end bool, width int) {
	element := e.open(unix.NFTA_LIST_ELEM)
	if end {
		e.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	value := e.open(unix.NFTA_SET_ELEM_KEY)
	var data [16]byte
	e.bytes(unix.NFTA_DATA_VALUE, k.append(data[:0], width))
	e.close(value)
	e.close(element)
}

func (o addChain) encode(e *encoder) {
	priority := int32(priorityDstNAT)
	e.about(o.table, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() {
		e.str(unix.NFTA_CHAIN_NAME, o.name)
		e.nest(unix.NFTA_CHAIN_HOOK, func() {
			e.u32(unix.NFTA_HOOK_HOOKNUM, wantHook(o.name))
			e.u32(unix.NFTA_HOOK_PRIORITY, uint32(priority))
		})
		e.u32(unix.NFTA_CHAIN_POLICY, nfAccept)
		e.str(unix.NFTA_CHAIN_TYPE, natType)
	})
}

// To flush a chain is to delete a rule without naming one.
func (o flushChain) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_DELRULE, 0, func() { e.str(unix.NFTA_RULE_CHAIN, o.name) })
}

func (o delChain) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_DELCHAIN, 0, func() { e.str(unix.NFTA_CHAIN_NAME, o.name) })
}

func (o addRule) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func() {
		e.str(unix.NFTA_RULE_CHAIN, o.chain)
		e.nest(unix.NFTA_RULE_EXPRESSIONS, func() { e.rule(o.rule, o.table.family) })
		e.bytes(unix.NFTA_RULE_USERDATA, appendUdata(nil, udataRuleComment, append([]byte(o.comment), 0)))
	})
}

func (o delRule) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_DELRULE, 0, func() {
		e.str(unix.NFTA_RULE_CHAIN, o.chain)
		e.bytes(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, o.handle))
	})
}
