// Minimal writes the rules that shunt writes, in the same batches, and does
// nothing else: it reads no configuration, does not look at what is there, and
// does not verify. It is the measure of what writing over netlink costs at
// least with google/nftables.
//
// Fresh is for an empty namespace. Change turns the first content of the lists
// into the second, of which it knows how they differ. Again empties the chains
// and the sets and writes everything.
//
// Usage: minimal fresh|change|again ports|subnets N
package main

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"shunt/bench/lists"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "minimal:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if os.Getenv("SHUNT_BENCH") == "" {
		return fmt.Errorf("it writes into whatever network namespace it is in, so only the benchmark starts it, in one that it made (SHUNT_BENCH=1)")
	}
	if len(args) != 3 {
		return fmt.Errorf("want fresh|change|again, ports|subnets, and a number")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ports, subnets := n, 0
	if args[1] == "subnets" {
		ports, subnets = lists.Standard, n
	}
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	defer conn.CloseLasting()
	w := writer{Conn: conn, table: &nftables.Table{Name: "shunt", Family: nftables.TableFamilyINet}}
	if args[0] == "fresh" {
		err = w.fresh(sets(ports, subnets, lists.Before))
	} else {
		err = w.update(args[0] == "again", sets(ports, subnets, lists.Before), sets(ports, subnets, lists.After))
	}
	if err != nil {
		return err
	}
	w.chains(subnets > 0, args[0] == "fresh")
	return w.Flush()
}

// fresh commits the sets, which have to be there before their first rule is.
func (w *writer) fresh(sets []set) error {
	w.AddTable(w.table)
	for _, s := range sets {
		if err := w.AddSet(w.object(s), s.elements); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	w.AddTable(w.table)
	return nil
}

// update writes what differs, or everything again.
func (w *writer) update(again bool, before, after []set) error {
	w.AddTable(w.table)
	for i, s := range before {
		object := w.object(s)
		del, add := delta(s.elements, after[i].elements)
		if again {
			w.FlushSet(object)
			del, add = nil, s.elements
		}
		if err := w.SetDeleteElements(object, del); err != nil {
			return err
		}
		if err := w.SetAddElements(object, add); err != nil {
			return err
		}
	}
	return nil
}

type writer struct {
	*nftables.Conn
	table *nftables.Table
}

// set is a named set with its elements: starts and ends, by turns.
type set struct {
	name     string
	key      nftables.SetDatatype
	elements []nftables.SetElement
}

func (w *writer) object(s set) *nftables.Set {
	return &nftables.Set{Table: w.table, Name: s.name, KeyType: s.key, Interval: true}
}

func sets(ports, subnets int, v lists.Variant) []set {
	out := []set{{"skip-inbound-ports", nftables.TypeInetService, portElements(lists.Inbound(ports, v))}}
	if subnets > 0 {
		v4, v6 := lists.Subnets(subnets, v)
		out = append(out,
			set{"skip-subnets-ipv4", nftables.TypeIPAddr, prefixElements(v4)},
			set{"skip-subnets-ipv6", nftables.TypeIP6Addr, prefixElements(v6)})
	}
	return append(out, set{"skip-outbound-ports", nftables.TypeInetService, portElements(lists.Outbound(ports, v))})
}

func portElements(ports []lists.Range) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*len(ports))
	for _, p := range ports {
		out = append(out,
			nftables.SetElement{Key: binaryutil.BigEndian.PutUint16(p.First)},
			nftables.SetElement{Key: binaryutil.BigEndian.PutUint16(p.Last + 1), IntervalEnd: true})
	}
	return out
}

func prefixElements(prefixes []netip.Prefix) []nftables.SetElement {
	out := make([]nftables.SetElement, 0, 2*len(prefixes))
	for _, p := range prefixes {
		first := p.Addr().AsSlice()
		end := append([]byte(nil), first...)
		// No prefix ends at a byte's last value, so nothing carries over.
		end[(p.Bits()-1)/8] += 1 << (7 - (p.Bits()-1)%8)
		out = append(out, nftables.SetElement{Key: first}, nftables.SetElement{Key: end, IntervalEnd: true})
	}
	return out
}

// delta returns the elements in which two lists of equal length differ.
func delta(before, after []nftables.SetElement) (del, add []nftables.SetElement) {
	for i := 0; i < len(before); i += 2 {
		if string(before[i].Key) != string(after[i].Key) || string(before[i+1].Key) != string(after[i+1].Key) {
			del = append(del, before[i:i+2]...)
			add = append(add, after[i:i+2]...)
		}
	}
	return del, add
}

// chains writes both chains and their rules; those that are there are emptied
// first.
func (w *writer) chains(subnets, fresh bool) {
	const tcpDport = 2
	port := func(set string) []expr.Any {
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpDport, Len: 2},
			&expr.Lookup{SourceRegister: 1, SetName: set},
		}
	}
	source := func(family byte, offset, size uint32, set string) []expr.Any {
		return append(equal(expr.MetaKeyNFPROTO, []byte{family}),
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
			&expr.Lookup{SourceRegister: 1, SetName: set})
	}
	tcp := equal(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP})
	lo := make([]byte, 16)
	copy(lo, "lo")

	in := w.chain("inbound", nftables.ChainHookPrerouting, fresh)
	w.rule(in, "skip-inbound-ports", accept(), tcp, port("skip-inbound-ports"))
	if subnets {
		w.rule(in, "skip-subnets", accept(), source(unix.NFPROTO_IPV4, 12, 4, "skip-subnets-ipv4"))
		w.rule(in, "skip-subnets", accept(), source(unix.NFPROTO_IPV6, 8, 16, "skip-subnets-ipv6"))
	}
	w.rule(in, "redirect-inbound", redirect(4143), tcp)

	out := w.chain("outbound", nftables.ChainHookOutput, fresh)
	w.rule(out, "proxy-uid", accept(), equal(expr.MetaKeySKUID, binaryutil.NativeEndian.PutUint32(2102)))
	w.rule(out, "loopback", accept(), equal(expr.MetaKeyOIFNAME, lo))
	w.rule(out, "skip-outbound-ports", accept(), tcp, port("skip-outbound-ports"))
	w.rule(out, "redirect-outbound", redirect(4140), tcp)
}

func (w *writer) chain(name string, hook *nftables.ChainHook, fresh bool) *nftables.Chain {
	c := &nftables.Chain{Name: name, Table: w.table}
	if !fresh {
		w.FlushChain(c)
		return c
	}
	policy := nftables.ChainPolicyAccept
	c.Type, c.Hooknum, c.Priority, c.Policy = nftables.ChainTypeNAT, hook, nftables.ChainPriorityNATDest, &policy
	return w.AddChain(c)
}

func (w *writer) rule(c *nftables.Chain, name string, verdict []expr.Any, matches ...[]expr.Any) {
	var e []expr.Any
	for _, m := range matches {
		e = append(e, m...)
	}
	e = append(append(e, &expr.Counter{}), verdict...)
	w.AddRule(&nftables.Rule{Table: w.table, Chain: c, Exprs: e, UserData: userdata.AppendString(nil, userdata.TypeComment, "shunt/"+name)})
}

func equal(key expr.MetaKey, data []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}}
}

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func redirect(port uint16) []expr.Any {
	const rangeSpecified = 2 // NF_NAT_RANGE_PROTO_SPECIFIED
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Redir{RegisterProtoMin: 1, RegisterProtoMax: 1, Flags: rangeSpecified},
	}
}
