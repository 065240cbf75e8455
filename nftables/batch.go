package nftables

import (
	"encoding/binary"
	"slices"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// batch is a transaction being written: netlink messages between a begin and
// an end, which the kernel carries out all or not at all (nfnetlink_rcv_batch
// in net/netfilter/nfnetlink.c). google/nftables turns expressions into bytes;
// the rest is written here, because through its connection a set's elements
// cost twice what the kernel takes to insert them.
type batch struct {
	buf []byte
	err error // the first of google/nftables'
}

// newBatch begins a transaction that the kernel refuses (ERESTART) unless its
// rules are those of that generation.
func newBatch(gen uint32) *batch {
	b := &batch{}
	b.message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func() {
		b.u32(unix.NFNL_BATCH_GENID, gen)
	})
	return b
}

// end completes the transaction.
func (b *batch) end() {
	b.message(unix.NFNL_MSG_BATCH_END, 0, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, func() {})
}

// message writes one netlink message with the attributes that body writes.
func (b *batch) message(kind, flags uint16, family byte, resource uint16, body func()) {
	start := len(b.buf)
	b.buf = append(b.buf, make([]byte, unix.NLMSG_HDRLEN)...)
	b.buf = append(b.buf, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
	body()
	header := b.buf[start:]
	binary.NativeEndian.PutUint32(header, uint32(len(header)))
	binary.NativeEndian.PutUint16(header[4:], kind)
	binary.NativeEndian.PutUint16(header[6:], flags|unix.NLM_F_REQUEST)
}

// do writes one message about a table or something in it. The first attribute
// of each kind is the table's name.
func (b *batch) do(kind, flags uint16, t tableID, body func()) {
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags, t.family, 0, func() {
		b.str(unix.NFTA_TABLE_NAME, t.name)
		body()
	})
}

// open begins an attribute that holds those that follow, up to close.
func (b *batch) open(kind uint16) (start int) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, 0)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind|unix.NLA_F_NESTED)
	return len(b.buf) - attrHeader
}

func (b *batch) close(start int) {
	binary.NativeEndian.PutUint16(b.buf[start:], uint16(len(b.buf)-start))
}

func (b *batch) str(kind uint16, s string) { b.buf = stringAttr(b.buf, kind, s) }

func (b *batch) u32(kind uint16, v uint32) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, attrHeader+4)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.BigEndian.AppendUint32(b.buf, v)
}

func (b *batch) bytes(kind uint16, data []byte) {
	size := attrHeader + len(data)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(size))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, data...)
	b.buf = append(b.buf, make([]byte, align4(size)-size)...)
}

func (b *batch) addTable(t tableID) { b.do(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, t, func() {}) }
func (b *batch) delTable(t tableID) { b.do(unix.NFT_MSG_DELTABLE, 0, t, func() {}) }

// addSet makes an interval set with its elements. Its comment, and that its
// keys are big-endian, stand in userdata, as nft writes them.
func (b *batch) addSet(t tableID, s set, comment string) {
	const bigEndian = 2 // BYTEORDER_BIG_ENDIAN (nftables, include/datatype.h)
	data := userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, bigEndian)
	if comment != "" {
		data = userdata.AppendString(data, userdata.NFTNL_UDATA_SET_COMMENT, comment)
	}
	b.do(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, t, func() {
		b.str(unix.NFTA_SET_NAME, s.name)
		b.u32(unix.NFTA_SET_FLAGS, unix.NFT_SET_INTERVAL)
		b.u32(unix.NFTA_SET_KEY_TYPE, keyType(uint32(s.width)))
		b.u32(unix.NFTA_SET_KEY_LEN, uint32(s.width))
		b.u32(unix.NFTA_SET_ID, 1) // must be there; rules name sets, not numbers
		b.bytes(unix.NFTA_SET_USERDATA, data)
	})
	b.elements(unix.NFT_MSG_NEWSETELEM, t, s, s.elems)
}

func (b *batch) delSet(t tableID, name string) {
	b.do(unix.NFT_MSG_DELSET, 0, t, func() { b.str(unix.NFTA_SET_NAME, name) })
}

// perMessage is how many intervals go into one message. Together they are one
// attribute, of at most 64 KiB; an interval of IPv6 addresses takes 64 bytes.
const perMessage = 800

// elements adds or deletes intervals of a set (NFT_MSG_NEWSETELEM,
// NFT_MSG_DELSETELEM). To the kernel an interval is a start, and an end that
// is one past the last key, except where it reaches the top.
func (b *batch) elements(kind uint16, t tableID, s set, list []interval) {
	b.buf = slices.Grow(b.buf, len(list)*40) // what an interval of ports takes
	for part := range slices.Chunk(list, perMessage) {
		b.do(kind, unix.NLM_F_CREATE, t, func() {
			b.str(unix.NFTA_SET_ELEM_LIST_SET, s.name)
			all := b.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
			for _, i := range part {
				b.element(i.first, false, s.width)
				if i.last != highest(s.width) {
					b.element(i.last.next(), true, s.width)
				}
			}
			b.close(all)
		})
	}
}

func (b *batch) element(k key, end bool, width int) {
	element := b.open(unix.NFTA_LIST_ELEM)
	if end {
		b.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	value := b.open(unix.NFTA_SET_ELEM_KEY)
	var data [16]byte
	b.bytes(unix.NFTA_DATA_VALUE, k.append(data[:0], width))
	b.close(value)
	b.close(element)
}

// addChain makes one of our base chains.
func (b *batch) addChain(t tableID, name string) {
	priority := int32(priorityDstNAT)
	b.do(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, t, func() {
		b.str(unix.NFTA_CHAIN_NAME, name)
		hook := b.open(unix.NFTA_CHAIN_HOOK)
		b.u32(unix.NFTA_HOOK_HOOKNUM, wantHook(name))
		b.u32(unix.NFTA_HOOK_PRIORITY, uint32(priority))
		b.close(hook)
		b.u32(unix.NFTA_CHAIN_POLICY, nfAccept)
		b.str(unix.NFTA_CHAIN_TYPE, natType)
	})
}

// flushChain deletes a chain's rules: it is a deletion that names no rule.
func (b *batch) flushChain(t tableID, name string) {
	b.do(unix.NFT_MSG_DELRULE, 0, t, func() { b.str(unix.NFTA_RULE_CHAIN, name) })
}

func (b *batch) delChain(t tableID, name string) {
	b.do(unix.NFT_MSG_DELCHAIN, 0, t, func() { b.str(unix.NFTA_CHAIN_NAME, name) })
}

// addRule appends a rule to a chain.
func (b *batch) addRule(t tableID, chain string, exprs []expr.Any, comment string) {
	b.do(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, t, func() {
		b.str(unix.NFTA_RULE_CHAIN, chain)
		list := b.open(unix.NFTA_RULE_EXPRESSIONS)
		for _, e := range exprs {
			data, err := expr.Marshal(t.family, e)
			if err != nil && b.err == nil {
				b.err = err
			}
			b.bytes(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, data)
		}
		b.close(list)
		b.bytes(unix.NFTA_RULE_USERDATA, commentData(comment))
	})
}

func (b *batch) delRule(t tableID, chain string, handle uint64) {
	b.do(unix.NFT_MSG_DELRULE, 0, t, func() {
		b.str(unix.NFTA_RULE_CHAIN, chain)
		b.bytes(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, handle))
	})
}
