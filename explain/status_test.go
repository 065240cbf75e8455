package explain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"shunt/apply"
	"shunt/plan"
)

// written is a namespace whose rules are a plan's, as nftables holds them.
func written(p plan.Plan) *apply.Found {
	fam := plan.IPv4
	if p.IPv6 {
		fam = plan.Any
	}
	section := func(chain string, hook apply.Hook, list []plan.Rule) apply.Section {
		return apply.Section{Place: apply.Place{Family: fam, Table: "shunt", Chain: chain}, Hook: hook, Rules: rules(list)}
	}
	state := apply.State{Sections: []apply.Section{section("inbound", apply.Prerouting, p.Inbound), section("outbound", apply.Output, p.Outbound)}}
	stamp := apply.Stamp{Version: "v1.2", Plan: p.Hash()}
	for i := range state.Sections {
		list := state.Sections[i].Rules
		list[len(list)-1].Stamp = stamp
		list[0].Counter = &apply.Counter{Packets: uint64(i + 1)}
	}
	return &apply.Found{Held: []apply.Held{
		{Owner: apply.NFTables, State: state, Stamp: stamp, AsWritten: true}, {Owner: apply.IPTablesNFT}, {Owner: apply.IPTablesLegacy},
	}}
}

// compared is what is live against a plan, as a backend in memory has both.
func compared(t *testing.T, live, want plan.Plan) *apply.Comparison {
	t.Helper()
	fake := &apply.Fake{Label: apply.NFTables}
	fake.Write(fake.Expand(live))
	e := apply.Engine{
		Candidates: []apply.Candidate{{Open: func() (apply.Backend, error) { return fake, nil }}},
		Owners:     func() ([]apply.Owner, error) { return []apply.Owner{fake}, nil },
	}
	c, err := e.Compare(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func TestStatus(t *testing.T) {
	t.Parallel()
	p := plan.Build(*configured(t, "skip-outbound-ports=3306"))
	do := Remedies{Apply: "APPLY", Diff: "DIFF"}
	drop := apply.BaseChain{Place: apply.Place{Table: "fw", Chain: "in"}, Kind: "filter", At: "prerouting", Priority: -150,
		Rules: []apply.Rule{{Rule: plan.Rule{Match: port(3306)}, Other: "drop"}}}
	edit := func(f func(*apply.Found)) *apply.Found {
		found := written(p)
		f(found)
		return found
	}
	tampered := func(f func(*apply.State)) *apply.Found {
		return edit(func(found *apply.Found) {
			h := &found.Held[0]
			f(&h.State)
			if h.AsWritten = false; len(h.State.Stamps()) == 0 {
				h.Stamp = apply.Stamp{}
			}
		})
	}
	for _, tc := range []struct {
		name    string
		found   *apply.Found
		against *apply.Comparison
		want    Condition
		why     string // one of the reasons; "" if there is none
		next    string
	}{
		{"as it was written", written(p), nil, InOrder, "", ""},
		{"nothing", &apply.Found{Held: []apply.Held{{Owner: apply.NFTables}}}, nil, NoRules, "init never ran here, or its rules were removed", "apply the rules: APPLY"},
		{"nothing of ours, and another mesh's redirect", &apply.Found{Others: []apply.BaseChain{{Place: apply.Place{Family: plan.IPv4, Table: "nat", Chain: "OUTPUT"}, Kind: "nat", At: "output", Priority: -100,
			Rules: []apply.Rule{{Rule: plan.Rule{Verdict: plan.Verdict{Kind: plan.Redirect, Port: 15001}}}}}}}, nil, NoRules, "is it another mesh's?", "APPLY"},
		{"a rule deleted", tampered(func(s *apply.State) { s.Sections[1].Rules = s.Sections[1].Rules[1:] }), nil, NotInOrder, "no rule exempts the proxy", "put them right: APPLY"},
		{"the redirect deleted", tampered(func(s *apply.State) { s.Sections[0].Rules = s.Sections[0].Rules[:1] }), nil, NotInOrder, "ip shunt inbound: no rule redirects", "DIFF"},
		{"a rule inserted", tampered(func(s *apply.State) {
			s.Sections[0].Rules = append(rules([]plan.Rule{{Match: port(22)}}), s.Sections[0].Rules...)
		}), nil, NotInOrder, "ip shunt inbound: rule 1 is not shunt's: tcp, destination port 22: bypass", "DIFF"},
		{"a drop inserted", tampered(func(s *apply.State) { s.Sections[0].Rules[0].Other = "drop" }), nil, NotInOrder, "drop", "DIFF"},
		{"a table that is too large", tampered(func(s *apply.State) { s.Sections[0].Stray = []string{"more than 1000 rules"} }), nil, NotInOrder, "more than 1000 rules", "DIFF"},
		{"rules of Linkerd's proxy-init", edit(func(f *apply.Found) {
			f.Held[1].State, f.Held[0].State = f.Held[0].State, apply.State{}
			for _, sec := range f.Held[1].State.Sections {
				sec.Rules[len(sec.Rules)-1].Stamp = apply.Stamp{}
			}
		}), nil, LookAtIt, "the rules do not say who wrote them", "take them over: APPLY"},
		{"half of Linkerd's rules", tampered(func(s *apply.State) {
			s.Sections = s.Sections[:1]
			s.Sections[0].Rules = s.Sections[0].Rules[:1]
		}), nil, NotInOrder, "nothing leads outbound connections to shunt's rules", "take them over: APPLY"},
		{"rules of two backends", edit(func(f *apply.Found) { f.Held[2].State = f.Held[0].State }), nil, NotInOrder, "iptables-legacy, ip shunt inbound", "remove what the other backend holds: APPLY"},
		{"IPv6 not covered", edit(func(f *apply.Found) { f.IPv6 = true }), nil, LookAtIt, "IPv6 is not covered, and there is an IPv6 address", "APPLY"},
		{"a drop before ours", edit(func(f *apply.Found) { f.Others = []apply.BaseChain{drop} }), nil, LookAtIt, "inet fw in (filter, priority -150), which is not shunt's, may decide first: drop", "table inet fw"},
		{"a drop after ours", edit(func(f *apply.Found) { f.Others = []apply.BaseChain{drop}; f.Others[0].Priority = 0 }), nil, InOrder, "", ""},
		{"a chain that only looks", edit(func(f *apply.Found) { f.Others = []apply.BaseChain{drop}; f.Others[0].Rules = nil }), nil, InOrder, "", ""},
		{"not those of the settings", written(p), compared(t, p, plan.Build(*configured(t))), NotInOrder, "the rules are not those of the settings: 1 rule differs: skip-outbound-ports changed", "APPLY"},
		{"those of the settings", written(p), compared(t, p, p), InOrder, "", ""},
	} {
		s := NewStatus(tc.found, tc.against, do)
		if s.Verdict != tc.want || (tc.why == "") != (len(s.Why) == 0) || !strings.Contains(strings.Join(s.Why, "\n"), tc.why) || !strings.Contains(strings.Join(s.Next, "\n"), tc.next) {
			t.Errorf("%s: %s, why %q, next %q", tc.name, s.Verdict, s.Why, s.Next)
		}
		for _, width := range []int{0, 60, 100} {
			var b strings.Builder
			if err := s.WriteText(&b, Screen{Width: width}); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(line) - 1; width > 0 && n > width || strings.HasSuffix(line, " \n") {
					t.Errorf("%s, %d columns: a line of %d: %q", tc.name, width, n, line)
				}
			}
		}
	}
}

// A name in the kernel neither moves the cursor nor forges a line.
func TestStatusIsSafeToPrint(t *testing.T) {
	t.Parallel()
	found := written(plan.Build(*configured(t)))
	h := &found.Held[0]
	h.AsWritten = false
	const bad = "x\x1b[2J\nVerdict   in order"
	h.Stamp.Version = bad
	h.State.Sections[0].Rules[0].Name = bad
	h.State.Sections[0].Rules[1].NotUnderstood = bad
	h.State.Sections[1].Stray = []string{bad}
	found.Others = []apply.BaseChain{{Place: apply.Place{Table: bad, Chain: bad}, Kind: "filter", At: "prerouting", Priority: -150,
		Rules: []apply.Rule{{Other: bad, NotUnderstood: bad}}, Unread: bad}}
	found.Unread = []string{bad}
	var b strings.Builder
	if err := NewStatus(found, nil, Remedies{}).WriteText(&b, Screen{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), '\x1b') || strings.Contains(b.String(), "\nVerdict   in order") {
		t.Errorf("got:\n%s", &b)
	}
}

func TestDiffHasColoursWhereTheyAreUnderstood(t *testing.T) {
	t.Parallel()
	const text = "1 rule differs\n@@ -1 +1 @@\n-a\n+b\n c\n"
	if got := (Screen{}).Diff(text); got != text {
		t.Errorf("without: %q", got)
	}
	const want = "1 rule differs\n\x1b[36m@@ -1 +1 @@\x1b[0m\n\x1b[31m-a\x1b[0m\n\x1b[32m+b\x1b[0m\n c\n"
	if got := (Screen{Colour: true}).Diff(text); got != want {
		t.Errorf("with: %q", got)
	}
}

// A list that iptables holds may take thousands of rules, and others may have as
// many: a screen has the first and the last.
func TestStatusIsNoLongerThanAScreenCanBe(t *testing.T) {
	t.Parallel()
	found := written(plan.Build(*configured(t)))
	many := make([]apply.Rule, 4000)
	for i := range many {
		many[i] = apply.Rule{Rule: plan.Rule{Name: "skip-subnets", Match: port(uint16(i + 1))}, Other: "drop"}
	}
	found.Held[0].State.Sections[0].Rules = many
	found.Held[0].AsWritten = false
	found.Others = []apply.BaseChain{{Place: apply.Place{Table: "fw", Chain: "in"}, Kind: "filter", At: "input", Rules: many}}
	var b strings.Builder
	s := NewStatus(found, nil, Remedies{})
	if err := s.WriteText(&b, Screen{Width: 80}); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Count(text, "\n") > 100 || !strings.Contains(text, "    … 3965 more\n") || !strings.Contains(text, "  4000 skip-subnets") || !strings.Contains(text, "    - and 3990 more\n") {
		t.Errorf("%d lines", strings.Count(text, "\n"))
	}
	if len(s.Chains[0].Rules) != len(many) {
		t.Error("programs get them all")
	}
}
