// google/nftables does not compile where an int has 32 bits (conn.go,
// allocateTransactionID).

//go:build amd64 || arm64

package conformance

import (
	"testing"

	gnft "github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// TestGapControls replaces rules in the two ways that shunt avoids, under the
// same traffic: that they treat connections wrongly shows that TestGapInProcess
// would see it. A few replacements are enough for that.
func TestGapControls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		replace func(*control)
	}{
		{"a new set in the batch of its rule", func(c *control) {
			// The table and the chains stay; the old sets go with their rules.
			for _, chain := range c.chains() {
				c.FlushChain(chain)
			}
			c.rules()
			for _, s := range c.old {
				c.DelSet(s)
			}
		}},
		{"deleting and adding the table", func(c *control) {
			c.DelTable(c.table)
			c.AddTable(c.table)
			for _, chain := range c.chains() {
				c.AddChain(chain)
			}
			c.rules()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const most = 50_000
			s := newStage(t, variants()[0], true)
			ctl := newControl(t, s)
			tr := s.startTraffic()
			tr.underWay(t)
			if tr.wrong.Load() > 0 {
				t.Fatalf("treated wrongly before anything was replaced: %s", *tr.first.Load())
			}
			n := 0
			for ; n < most && tr.wrong.Load() == 0; n++ {
				ctl.commit(t, c.replace)
			}
			tr.end()
			if tr.wrong.Load() == 0 {
				t.Fatalf("%d replacements and %d connections, and none was treated wrongly: the test for gaps sees nothing", n, tr.made.Load())
			}
			figures.line("control: %s: a connection was treated wrongly after %d replacements, %d connections: %s", c.name, n, tr.made.Load(), *tr.first.Load())
		})
	}
}

// control is a table like shunt's that is replaced otherwise.
type control struct {
	*gnft.Conn
	table    *gnft.Table
	old, new []*gnft.Set
	n        int
}

// newControl makes the table with its first rules.
func newControl(t *testing.T, s *stage) *control {
	t.Helper()
	c := &control{table: &gnft.Table{Name: "control", Family: gnft.TableFamilyINet}}
	err := s.Pod.Do(func() (err error) {
		c.Conn, err = gnft.New(gnft.AsLasting())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseLasting() })
	c.commit(t, func(c *control) {
		c.AddTable(c.table)
		for _, chain := range c.chains() {
			c.AddChain(chain)
		}
		c.rules()
	})
	return c
}

// commit sends one batch.
func (c *control) commit(t *testing.T, fill func(*control)) {
	t.Helper()
	c.old, c.new = c.new, nil
	c.n++
	fill(c)
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// chains returns the table's two base chains.
func (c *control) chains() []*gnft.Chain {
	chain := func(name string, hook *gnft.ChainHook) *gnft.Chain {
		return &gnft.Chain{Name: name, Table: c.table, Type: gnft.ChainTypeNAT, Hooknum: hook, Priority: gnft.ChainPriorityNATDest}
	}
	return []*gnft.Chain{chain("inbound", gnft.ChainHookPrerouting), chain("outbound", gnft.ChainHookOutput)}
}

// rules adds the rules, with new sets: those ports bypass that do in every
// configuration of the test for gaps.
func (c *control) rules() {
	const reg = 1
	tcp := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: []byte{unix.IPPROTO_TCP}},
	}
	for i, chain := range c.chains() {
		elements := []gnft.SetElement{
			{Key: binaryutil.BigEndian.PutUint16(alwaysSkipped)},
			{Key: binaryutil.BigEndian.PutUint16(alwaysSkipped + 1), IntervalEnd: true},
		}
		for p := uint16(20000); p < 20400; p += 2 {
			elements = append(elements, gnft.SetElement{Key: binaryutil.BigEndian.PutUint16(p)},
				gnft.SetElement{Key: binaryutil.BigEndian.PutUint16(p + 1), IntervalEnd: true})
		}
		set := &gnft.Set{Table: c.table, Name: chain.Name + itoa(c.n), KeyType: gnft.TypeInetService, Interval: true}
		_ = c.AddSet(set, elements) // Flush returns its error
		c.new = append(c.new, set)
		c.AddRule(&gnft.Rule{Table: c.table, Chain: chain, Exprs: append(tcp[:2:2],
			&expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Lookup{SourceRegister: reg, SetName: set.Name, SetID: set.ID},
			&expr.Verdict{Kind: expr.VerdictAccept})})
		port := [...]uint16{inboundPort, outboundPort}[i]
		if i == 1 {
			c.AddRule(&gnft.Rule{Table: c.table, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: reg},
				&expr.Cmp{Op: expr.CmpOpEq, Register: reg, Data: append([]byte("lo"), make([]byte, 14)...)},
				&expr.Verdict{Kind: expr.VerdictAccept}}})
		}
		c.AddRule(&gnft.Rule{Table: c.table, Chain: chain, Exprs: append(tcp[:2:2],
			&expr.Immediate{Register: reg, Data: binaryutil.BigEndian.PutUint16(port)},
			&expr.Redir{RegisterProtoMin: reg, Flags: 2})})
	}
}
