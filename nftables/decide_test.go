package nftables

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"shunt/apply"
	"shunt/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// decisions are what is live, what is wanted, and what else counts. What is
// decided is in testdata/decide.txtar under the same names.
func decisions() []decision {
	lists := with(bare(), func(p *plan.Plan) {
		p.Inbound = slices.Insert(p.Inbound, 0, skipPorts("skip-inbound-ports", 4190, 4191),
			plan.Rule{Name: "skip-subnets", Match: plan.Match{Src: parse("10.0.0.0/8", "fd00::/8")}})
		p.Outbound = slices.Insert(p.Outbound, 1, skipPorts("skip-outbound-ports", 3306, 3306))
	})
	skip22 := with(lists, func(p *plan.Plan) { p.Inbound[0] = skipPorts("skip-inbound-ports", 22, 22) })
	v4 := with(bare(), func(p *plan.Plan) { p.IPv6 = false })
	long := with(bare(), func(p *plan.Plan) {
		p.Inbound = slices.Insert(p.Inbound, 0, manyPorts("skip-inbound-ports", 2*partSize+1, 0))
	})
	longer := with(long, func(p *plan.Plan) { p.Inbound[0] = manyPorts("skip-inbound-ports", partSize+1, 1) })
	return []decision{
		{name: "nothing is live: the sets, then the rules that read them", want: standard()},
		{name: "nothing is live and there are no lists", want: bare()},
		{name: "nothing is live in an idle namespace", want: skip22, limits: limits{idle: true}},
		{name: "nothing is live and the lists are too long for one batch", want: long, limits: limits{parts: true}},
		{name: "one list changes under the same rules", have: live(lists), want: skip22},
		{name: "two lists of a chain change", have: live(lists), want: with(skip22, func(p *plan.Plan) {
			p.Inbound[1].Match.Src = parse("10.0.0.0/8", "192.0.2.0/24", "fd00::/8")
		})},
		{name: "a list and its rules change", have: live(lists), want: with(skip22, func(p *plan.Plan) {
			p.Inbound[2].Match.DstPorts = []plan.PortRange{{First: 80, Last: 80}}
		})},
		{name: "one list of each chain changes", have: live(lists), want: with(skip22, func(p *plan.Plan) {
			p.Outbound[1] = skipPorts("skip-outbound-ports", 22, 22)
		})},
		{name: "the port that connections go to changes", have: live(bare()), want: with(bare(), func(p *plan.Plan) {
			p.Inbound[0].Verdict.Port = 5143
		})},
		{name: "a list under its second name changes back", have: rename(live(lists), "skip-inbound-ports"), want: with(skip22, func(p *plan.Plan) {
			p.Inbound[2].Match.DstPorts = []plan.PortRange{{First: 80, Last: 80}}
		})},
		{name: "lists come", have: live(bare()), want: skip22},
		{name: "lists go", have: live(lists), want: bare()},
		{name: "uids come and their rule changes its form", have: live(bare()), want: with(bare(), func(p *plan.Plan) {
			p.Outbound = slices.Insert(p.Outbound, 1, standard().Outbound[2])
		})},
		{name: "a list changes that is too long for one batch", have: live(long), want: longer, limits: limits{parts: true}},
		{name: "a run was killed between the sets and the rules", have: unread(live(skip22)), want: skip22},
		{name: "a run was killed and the plan is another", have: unread(live(skip22)), want: with(skip22, func(p *plan.Plan) {
			p.Inbound[0] = skipPorts("skip-inbound-ports", 23, 23)
		})},
		{name: "a set names the plan of an older version", have: outdated(live(skip22)), want: skip22},
		{name: "IPv6 is switched off", have: live(bare()), want: v4},
		{name: "IPv6 is switched on", have: live(v4), want: bare()},
		{name: "a base chain was altered: a spare table acts meanwhile", have: altered(live(skip22)), want: bare()},
		{name: "a base chain was altered, and there is a spare table", have: append(altered(live(bare())), spare(live(bare()))...), want: bare()},
		{name: "both tables were altered", have: append(altered(live(bare())), altered(spare(live(bare())))...), want: bare()},
		{name: "a table that is too large", have: []liveTable{{tableID: tableFor(bare()), tooLarge: "more than 1000 rules"}}, want: bare()},
		{name: "a table of the other family was altered", have: altered(live(v4)), want: bare()},
	}
}

type decision struct {
	name   string
	have   []liveTable
	want   plan.Plan
	limits limits
}

func (d decision) text() []byte {
	var b []byte
	for i, t := range decide(d.have, shape(d.want), "v0 plan 0", d.limits) {
		b = fmt.Appendf(b, "%d. %s\n", i+1, t.doing)
		if t.wait {
			b = append(b, "   (wait until the packets in flight are through)\n"...)
		}
		for _, o := range t.ops {
			b = fmt.Appendf(b, "   %s\n", o)
		}
		for _, o := range t.undo {
			b = fmt.Appendf(b, "   (if refused: %s)\n", o)
		}
	}
	return append(b, '\n')
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const path = "testdata/decide.txtar"
	golden, err := txtar.ParseFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		golden = &txtar.Archive{Comment: []byte("What is decided, by the cases of TestDecide: go test ./nftables -run TestDecide -update\n\n")}
		for _, d := range decisions() {
			golden.Files = append(golden.Files, txtar.File{Name: d.name, Data: d.text()})
		}
		if err := os.WriteFile(path, txtar.Format(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range decisions() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(golden.Files, func(f txtar.File) bool { return f.Name == d.name })
			if i < 0 {
				t.Fatal("there is no golden of it: run with -update")
			}
			if got := d.text(); !bytes.Equal(got, golden.Files[i].Data) {
				t.Errorf("%s", diff.Diff("golden", golden.Files[i].Data, "decided", got))
			}
		})
	}
}

// Whatever is live, the same transactions are decided each time, and what is
// handed in stays as it was.
func TestDecideChangesNothingThatItIsGiven(t *testing.T) {
	t.Parallel()
	for _, d := range decisions() {
		before := fmt.Sprintf("%+v %+v", d.have, d.want)
		once, again := d.text(), d.text()
		if !bytes.Equal(once, again) {
			t.Errorf("%s: decided differently the second time", d.name)
		}
		if after := fmt.Sprintf("%+v %+v", d.have, d.want); after != before {
			t.Errorf("%s: changed\n%s\nto\n%s", d.name, before, after)
		}
	}
}

// A part of a split transaction is never empty, and together they do the same.
func TestSplitKeepsEveryOperation(t *testing.T) {
	t.Parallel()
	list := portIntervals(manyPorts("", 3*partSize-7, 0).Match.DstPorts)
	id := tableFor(bare())
	whole := transaction{doing: "x", ops: []op{
		addTable{id}, addSet{id, "a", portKey}, addElements{elements{id, "a", portKey, list}},
		delElements{elements{id, "b", portKey, list[:partSize]}}, delSet{id, "c"},
	}}
	var got []interval
	var others []string
	for _, part := range split(whole) {
		n := 0
		for _, o := range part.ops {
			switch o := o.(type) {
			case addElements:
				n, got = n+len(o.list), append(got, o.list...)
			case delElements:
				n += len(o.list)
			default:
				others = append(others, o.String())
			}
		}
		if len(part.ops) == 0 || n > partSize {
			t.Errorf("a part of %d operations changes %d intervals", len(part.ops), n)
		}
	}
	if !slices.Equal(got, list) || len(others) != 3 {
		t.Errorf("%d of %d intervals, others: %q", len(got), len(list), others)
	}
}

// with returns a plan with something changed.
func with(p plan.Plan, change func(*plan.Plan)) plan.Plan {
	p.Inbound, p.Outbound = slices.Clone(p.Inbound), slices.Clone(p.Outbound)
	change(&p)
	return p
}

// live returns the table of a plan as Read finds it.
func live(p plan.Plan) []liveTable {
	rs := shape(p)
	t := liveTable{tableID: rs.table}
	for _, s := range rs.sets {
		t.sets = append(t.sets, liveSet{set: s, comment: setComment(s.name), read: true})
	}
	for _, name := range chains() {
		c := liveChain{name: name, hook: applyHook(wantHook(name)), spec: wantSpec(name)}
		for _, r := range rs.chain(name) {
			c.rules = append(c.rules, apply.Rule{Rule: r.Rule})
		}
		t.chains = append(t.chains, c)
	}
	return []liveTable{t}
}

// rename gives a set its second name.
func rename(tables []liveTable, name string) []liveTable {
	tables[0].set(name).name += secondName
	return tables
}

// unread takes away the chains, and so the rules that read the sets.
func unread(tables []liveTable) []liveTable {
	tables[0].chains = nil
	for i := range tables[0].sets {
		tables[0].sets[i].read = false
	}
	return tables
}

// outdated gives each set another comment.
func outdated(tables []liveTable) []liveTable {
	for i := range tables[0].sets {
		tables[0].sets[i].comment = "v0 plan 1"
	}
	return tables
}

func altered(tables []liveTable) []liveTable {
	tables[0].chains[0].spec = strings.Replace(tables[0].chains[0].spec, "-100", "-90", 1)
	return tables
}

func spare(tables []liveTable) []liveTable {
	tables[0].name = spareName
	return tables
}
