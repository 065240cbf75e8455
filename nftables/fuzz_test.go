package nftables

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// messages returns what is sent for a plan: the attributes of a rule are the
// same in a request and in a dump.
func messages(tb testing.TB, p plan.Plan) (rules, elems [][]byte, sets []liveSet) {
	tb.Helper()
	rs := shape(p, tableFor(p))
	backend, x := &Backend{stamp: "v0"}, newBatch(1)
	for _, s := range rs.sets {
		sets = append(sets, liveSet{set: s})
		x.addSet(rs.table, s, "v0")
	}
	backend.chain(x, rs.table, inboundChain, rs.in, nil)
	backend.chain(x, rs.table, outboundChain, rs.out, nil)
	return sent(tb, x, unix.NFT_MSG_NEWRULE), sent(tb, x, unix.NFT_MSG_NEWSETELEM), sets
}

// sent returns the attributes of a batch's messages of one kind.
func sent(tb testing.TB, x *batch, kind uint16) (bodies [][]byte) {
	tb.Helper()
	if x.err != nil {
		tb.Fatal(x.err)
	}
	for b := x.buf; len(b) > 0; {
		m, rest, err := nextMessage(b)
		if err != nil {
			tb.Fatal(err)
		}
		if b = rest; m.kind == unix.NFNL_SUBSYS_NFTABLES<<8|kind {
			bodies = append(bodies, m.body[nfgenmsgLen:])
		}
	}
	return bodies
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
		if err != nil || !got.Equal(apply.Rule{Rule: want[i].Rule}) {
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
		if err != nil || r.NotUnderstood+r.Jump+r.Other != "" {
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
		x := newBatch(1)
		x.addRule(tableID{unix.NFPROTO_INET, tableName}, inboundChain, compile(kernelRule{r.Rule, set}, unix.NFPROTO_INET), comment(r.Name, "", false))
		again := sent(t, x, unix.NFT_MSG_NEWRULE)[0]
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
		again.join(boundsOf(t, s.set))
		if again.odd != "" || !slices.Equal(again.elems, s.elems) {
			t.Errorf("%v was written and read as %v %q", s.elems, again.elems, again.odd)
		}
	})
}
