package nftables

import (
	"cmp"
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
	rs := shape(p)
	var ops []op
	for _, t := range decide(nil, rs, "v0 plan 0", limits{}) {
		ops = append(ops, t.ops...)
	}
	for _, s := range rs.sets {
		sets = append(sets, liveSet{set: s})
	}
	return encoded(tb, unix.NFT_MSG_NEWRULE, ops...), encoded(tb, unix.NFT_MSG_NEWSETELEM, ops...), sets
}

// encoded returns the attributes of the messages of one kind.
func encoded(tb testing.TB, kind uint16, ops ...op) (bodies [][]byte) {
	tb.Helper()
	for b := encode(ops, 1, 1); len(b) > 0; {
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
	rs := shape(p)
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
		var same bool
		switch s.kind {
		case portKey:
			same = slices.Equal(m.DstPorts, portRanges(s.elems))
		case uidKey:
			same = slices.Equal(m.UID, idRanges(s.elems))
		default:
			list := prefixes(s.elems, s.kind.width())
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
		_, other, err := decodeOther(body, unix.NFPROTO_INET, sets)
		_, r, ourErr := decodeRule(body, unix.NFPROTO_INET, sets)
		if err = cmp.Or(ourErr, err); err == nil && other == nil && r.Verdict.Kind == plan.Redirect && r.NotUnderstood == "" {
			t.Errorf("a redirect counts as one that decides nothing: %+v", r)
		}
		if err != nil || r.NotUnderstood != "" || r.Jump != "" || r.Other != "" {
			return
		}
		lists := 0
		for _, n := range []int{len(r.Match.Src), len(r.Match.Dst), len(r.Match.DstPorts), len(r.Match.UID) / 2} {
			lists += min(n, 1)
		}
		set := setOf(r.Match, sets)
		if lists > 1 || lists == 1 && set == "" {
			return // of a shape that no plan has: one list a rule, in a set
		}
		again := encoded(t, unix.NFT_MSG_NEWRULE, addRule{tableID{unix.NFPROTO_INET, tableName}, inboundChain, kernelRule{r.Rule, set}, ruleComment(r.Name, "", false)})[0]
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
		for k := portKey; k <= uidKey; k++ {
			f.Add(e, uint8(k))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, number uint8) {
		kind := keyKind(number)
		if kind == unknownKey || kind > uidKey {
			return
		}
		s := liveSet{set: set{kind: kind}}
		bounds, err := decodeElements(nil, body, &s)
		if err != nil {
			return
		}
		if s.join(bounds); s.mismatch != "" {
			return
		}
		again := liveSet{set: set{kind: kind}}
		again.join(boundsOf(t, s.set))
		if again.mismatch != "" || !slices.Equal(again.elems, s.elems) {
			t.Errorf("%v was written and read as %v %q", s.elems, again.elems, again.mismatch)
		}
	})
}

// Whatever the kernel answers, reading it never crashes.
func FuzzAnswers(f *testing.F) {
	batch := encode([]op{addTable{tableFor(bare())}, addChain{tableFor(bare()), inboundChain}}, 1, 1)
	f.Add(batch)
	note := appendString(nil, unix.NLMSGERR_ATTR_MSG, "no")
	note = append(note, 8, 0, unix.NLMSGERR_ATTR_OFFS, 0, 20, 0, 0, 0)
	refused := append(make([]byte, 2*unix.NLMSG_HDRLEN+4), note...)
	refused[0], refused[4], refused[7] = byte(len(refused)), unix.NLMSG_ERROR, (unix.NLM_F_ACK_TLVS|unix.NLM_F_CAPPED)>>8
	refused[8] = 2
	f.Add(refused)
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, rest, err := nextMessage(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("a message of no length")
			}
			b = rest
			m.note(batch)
			m.errno()
			if len(m.body) >= nfgenmsgLen {
				decodeTable(unix.NFPROTO_INET, m.body[nfgenmsgLen:])
				decodeChain(m.body[nfgenmsgLen:])
				decodeSet(m.body[nfgenmsgLen:])
			}
		}
	})
}

func TestANoteNamesWhatIsToBlame(t *testing.T) {
	t.Parallel()
	batch := encode([]op{addTable{tableFor(bare())}}, 1, 1)
	e := &encoder{buf: make([]byte, errorLen)}
	e.str(unix.NLMSGERR_ATTR_MSG, "no such thing")
	e.bytes(unix.NLMSGERR_ATTR_OFFS, native(unix.NLMSG_HDRLEN+nfgenmsgLen))
	m := message{kind: unix.NLMSG_ERROR, flags: unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, seq: 2, body: e.buf}
	if got, want := m.note(batch), `no such thing, at "shunt"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if m.flags = 0; m.note(batch) != "" {
		t.Errorf("without the flag: %q", m.note(batch))
	}
}
