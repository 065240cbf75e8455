package plan

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"text/tabwriter"
)

// String returns the family as people write it: "ip" or "ip6" as in nft, ""
// for any.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ip"
	case IPv6:
		return "ip6"
	}
	return ""
}

// String returns the verdict in the design's words.
func (v Verdict) String() string {
	if v.Kind == Redirect {
		return "redirect to :" + strconv.Itoa(int(v.Port))
	}
	return "bypass"
}

// String returns the match in words, whole: "tcp, destination port 22,80-90".
func (m Match) String() string { return string(m.append(nil, 0)) }

// append writes the match to b. A list longer than limit is cut, and its
// length said; limit 0 writes all of it.
func (m Match) append(b []byte, limit int) []byte {
	start := len(b)
	part := func(s string) {
		if len(b) > start {
			b = append(b, ", "...)
		}
		b = append(b, s...)
	}
	if m.Family != Any {
		part(m.Family.String())
	}
	if m.TCP {
		part("tcp")
	}
	if m.DstLocal {
		part("destination is the pod's own address")
	}
	if len(m.DstPorts) > 0 {
		part("destination port ")
		b = appendList(b, m.DstPorts, limit, AppendPorts)
	}
	if len(m.Src) > 0 {
		part("source ")
		b = appendList(b, m.Src, limit, AppendPrefix)
	}
	if len(m.Dst) > 0 {
		part("destination ")
		b = appendList(b, m.Dst, limit, AppendPrefix)
	}
	if len(m.UID) > 0 {
		part("socket owner's uid ")
		b = appendList(b, m.UID, limit, AppendIDs)
	}
	if len(m.GID) > 0 {
		part("socket owner's gid ")
		b = appendList(b, m.GID, limit, AppendIDs)
	}
	if m.OutInterface != "" {
		part("leaves by " + m.OutInterface)
	}
	if len(b) == start {
		part("everything")
	}
	return b
}

func appendList[T any](b []byte, list []T, limit int, one func([]byte, T) []byte) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if limit > 0 && i == limit {
			return fmt.Appendf(b, "… (%d in all)", len(list))
		}
		b = one(b, v)
	}
	return b
}

// AppendPorts writes a range as "80" or "80-90".
func AppendPorts(b []byte, r PortRange) []byte {
	return appendRange(b, uint64(r.First), uint64(r.Last))
}

// AppendIDs writes a range as "1000" or "1000-2000".
func AppendIDs(b []byte, r IDRange) []byte {
	return appendRange(b, uint64(r.First), uint64(r.Last))
}

// AppendPrefix writes a prefix as "10.0.0.0/8".
func AppendPrefix(b []byte, p netip.Prefix) []byte { return p.AppendTo(b) }

func appendRange(b []byte, first, last uint64) []byte {
	b = strconv.AppendUint(b, first, 10)
	if first != last {
		b = strconv.AppendUint(append(b, '-'), last, 10)
	}
	return b
}

// Hash names the plan's meaning in 12 hexadecimal digits: equal plans have equal
// hashes. Names and reasons do not count. It is FNV-1a: a name to compare by eye,
// on which no safety depends; a cryptographic hash costs more at start-up than all
// the rest of a plan.
func (p Plan) Hash() string {
	h := fnv.New64a()
	if p.IPv6 {
		io.WriteString(h, "ipv6\n")
	}
	b := make([]byte, 0, 1<<9) // a rule, one after the other
	for _, chain := range [][]Rule{p.Inbound, p.Outbound} {
		for _, r := range chain {
			m := r.Match
			m.DstPorts = nil // a long list takes longer to write in words than to hash
			b = m.append(b[:0], 0)
			b = append(b, ": "...)
			b = slices.Grow(b, 4+4*len(r.Match.DstPorts))
			b = binary.BigEndian.AppendUint32(b, uint32(len(r.Match.DstPorts)))
			for _, p := range r.Match.DstPorts {
				b = binary.BigEndian.AppendUint32(b, uint32(p.First)<<16|uint32(p.Last))
			}
			b = append(b, r.Verdict.String()...)
			h.Write(append(b, '\n'))
		}
		io.WriteString(h, "\n")
	}
	return fmt.Sprintf("%012x", h.Sum64()&(1<<48-1))
}

// listLimit bounds a list in a table cell: one line of a terminal.
const listLimit = 8

// WriteTable writes the plan for people: a line a rule, in order.
func (p Plan) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, chain := range [][]Rule{p.Inbound, p.Outbound} {
		if i > 0 {
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s\tMATCH\tVERDICT\tWHY\n", [...]string{"INBOUND", "OUTBOUND"}[i])
		for n, r := range chain {
			fmt.Fprintf(t, "%d %s\t%s\t%s\t%s\n", n+1, r.Name, r.Match.append(nil, listLimit), r.Verdict, r.Reason)
		}
	}
	fmt.Fprintf(t, "\nThe first rule that matches decides; what matches none is bypassed. UDP is never touched. IPv6: %s.\n",
		map[bool]string{true: "the same rules", false: "not touched"}[p.IPv6])
	return t.Flush()
}
