package nftables

import (
	"slices"
	"testing"

	gnft "github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"shunt/plan"
)

// messages returns what google/nftables would send for a plan: the attributes
// of a rule are the same in a request and in a dump.
func messages(tb testing.TB, p plan.Plan) (rules, elems [][]byte, sets []liveSet) {
	tb.Helper()
	rs := shape(p, tableFor(p))
	for _, s := range rs.sets {
		sets = append(sets, liveSet{set: s})
	}
	var sent []netlink.Message
	c, err := gnft.New(gnft.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
		sent = append(sent, req...)
		return nil, nil
	}))
	if err != nil {
		tb.Fatal(err)
	}
	tx := &tx{c, "v0"}
	table := rs.table.object()
	for _, s := range rs.sets {
		tx.addSet(table, s)
	}
	tx.chain(table, inboundChain, rs.in, nil)
	tx.chain(table, outboundChain, rs.out, nil)
	if err := c.Flush(); err != nil {
		tb.Fatal(err)
	}
	for _, m := range sent {
		switch m.Header.Type & 0xff {
		case 6: // NFT_MSG_NEWRULE
			rules = append(rules, m.Data[nfgenmsgLen:])
		case 12: // NFT_MSG_NEWSETELEM
			elems = append(elems, m.Data[nfgenmsgLen:])
		}
	}
	return rules, elems, sets
}

func TestDecodeIsTheInverseOfCompile(t *testing.T) {
	t.Parallel()
	p := standard()
	p.Inbound[2].Match.DstLocal = true
	rs := shape(p, tableFor(p))
	want := append(slices.Clone(rs.in), rs.out...)
	rules, _, sets := messages(t, p)
	if len(rules) != len(want) {
		t.Fatalf("%d rules sent, want %d", len(rules), len(want))
	}
	for i, body := range rules {
		_, got, err := decodeRule(body, rs.table.family, sets)
		if err != nil || !got.Equal(want[i].Rule) {
			t.Errorf("rule %d: got %+v, %v\nwant %+v", i, got, err, want[i].Rule)
		}
	}
}

// setOf finds the set that a list was read from, by its content.
func setOf(m plan.Match, sets []liveSet) string {
	for _, s := range sets {
		same := slices.Equal(m.DstPorts, portRanges(s.elems))
		if s.width > 2 {
			list := prefixes(s.elems, s.width)
			same = slices.Equal(m.Src, list) || slices.Equal(m.Dst, list)
		}
		if same {
			return s.name
		}
	}
	return ""
}

// However a rule is cut or changed, reading it never crashes; and what the
// decoder says that it understood is something that shunt can write and that
// is then understood the same way. So no rule is taken for another.
func FuzzDecodeRule(f *testing.F) {
	rules, _, sets := messages(f, standard())
	for _, r := range rules {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, r, err := decodeRule(body, unix.NFPROTO_INET, sets)
		if err != nil || r.Match.NotUnderstood != "" || r.Verdict.Kind > plan.Redirect {
			return
		}
		lists := 0
		for _, n := range []int{len(r.Match.Src), len(r.Match.Dst), len(r.Match.DstPorts)} {
			lists += min(n, 1)
		}
		set := setOf(r.Match, sets)
		if lists > 1 || lists == 1 && set == "" {
			return // of a shape that no plan has: one list a rule, in a set
		}
		var again []byte
		c, err := gnft.New(gnft.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
			if len(req) > 1 { // not the call that asks for an answer
				again = req[1].Data[nfgenmsgLen:] // behind the batch's begin
			}
			return nil, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		table := tableFor(plan.Plan{IPv6: true}).object()
		c.AddRule(&gnft.Rule{
			Table: table, Chain: &gnft.Chain{Name: inboundChain, Table: table},
			Exprs: compile(kernelRule{r, set}, unix.NFPROTO_INET), UserData: commentData(comment(r.Name, "", false)),
		})
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		_, got, err := decodeRule(again, unix.NFPROTO_INET, sets)
		if got.Name = r.Name; err != nil || !got.Equal(r) {
			t.Errorf("understood %+v, written and read as %+v, %v", r, got, err)
		}
	})
}

// Reading elements never crashes, and intervals that are read come out again.
func FuzzDecodeElements(f *testing.F) {
	_, elems, _ := messages(f, standard())
	for _, e := range elems {
		f.Add(e, uint8(2))
		f.Add(e, uint8(4))
		f.Add(e, uint8(16))
	}
	f.Fuzz(func(t *testing.T, body []byte, width uint8) {
		if keyType(uint32(width)) == 0 {
			return
		}
		s := liveSet{set: set{width: int(width)}}
		bounds, err := decodeElements(nil, body, &s)
		if err != nil {
			return
		}
		if s.join(bounds); s.odd != "" {
			return
		}
		again := liveSet{set: set{width: int(width)}}
		again.join(boundsOf(elements(s.elems, s.width)))
		if again.odd != "" || !slices.Equal(again.elems, s.elems) {
			t.Errorf("%v was written and read as %v %q", s.elems, again.elems, again.odd)
		}
	})
}
