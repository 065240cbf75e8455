// Minimal writes the rules that shunt writes into an empty namespace, in the
// same batches, and does nothing else: it reads no configuration, does not look
// at what is there, and does not verify. It is the measure of what writing over
// netlink costs at least with google/nftables.
//
// Usage: minimal N, the number of ports that are skipped in each direction.
package main

import (
	"fmt"
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
	if len(args) != 1 {
		return fmt.Errorf("want the number of ports")
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return err
	}
	defer conn.CloseLasting()
	w := writer{Conn: conn, table: &nftables.Table{Name: "shunt", Family: nftables.TableFamilyINet}}
	// The sets are there before their first rule is.
	w.AddTable(w.table)
	if err := w.set("skip-inbound-ports", lists.Inbound(n)); err != nil {
		return err
	}
	if err := w.set("skip-outbound-ports", lists.Outbound(n)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	w.AddTable(w.table)
	w.chains()
	return w.Flush()
}

type writer struct {
	*nftables.Conn
	table *nftables.Table
}

func (w *writer) set(name string, ports []lists.Range) error {
	elements := make([]nftables.SetElement, 0, 2*len(ports))
	for _, p := range ports {
		elements = append(elements,
			nftables.SetElement{Key: binaryutil.BigEndian.PutUint16(p.First)},
			nftables.SetElement{Key: binaryutil.BigEndian.PutUint16(p.Last + 1), IntervalEnd: true})
	}
	return w.AddSet(&nftables.Set{Table: w.table, Name: name, KeyType: nftables.TypeInetService, Interval: true}, elements)
}

// chains writes both chains and their rules.
func (w *writer) chains() {
	const tcpDport = 2
	port := func(set string) []expr.Any {
		return []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpDport, Len: 2},
			&expr.Lookup{SourceRegister: 1, SetName: set},
		}
	}
	tcp := equal(expr.MetaKeyL4PROTO, []byte{unix.IPPROTO_TCP})
	lo := make([]byte, 16)
	copy(lo, "lo")

	in := w.chain("inbound", nftables.ChainHookPrerouting)
	w.rule(in, "skip-inbound-ports", accept(), tcp, port("skip-inbound-ports"))
	w.rule(in, "redirect-inbound", redirect(4143), tcp)

	out := w.chain("outbound", nftables.ChainHookOutput)
	w.rule(out, "proxy-uid", accept(), equal(expr.MetaKeySKUID, binaryutil.NativeEndian.PutUint32(2102)))
	w.rule(out, "loopback", accept(), equal(expr.MetaKeyOIFNAME, lo))
	w.rule(out, "skip-outbound-ports", accept(), tcp, port("skip-outbound-ports"))
	w.rule(out, "redirect-outbound", redirect(4140), tcp)
}

func (w *writer) chain(name string, hook *nftables.ChainHook) *nftables.Chain {
	policy := nftables.ChainPolicyAccept
	return w.AddChain(&nftables.Chain{Name: name, Table: w.table, Type: nftables.ChainTypeNAT, Hooknum: hook,
		Priority: nftables.ChainPriorityNATDest, Policy: &policy})
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
