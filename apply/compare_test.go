package apply

import (
	"context"
	"slices"
	"strings"
	"testing"

	"shunt/config"
	"shunt/plan"
)

// What Apply made under the exception is what Compare expects, as long as the
// rules say that it was this plan and no IPv6 address came.
func TestCompareKnowsTheException(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		hasIPv6 bool
		stamp   Stamp
		equal   bool
	}{
		{"written for this plan", false, Stamp{"v1", standard().Hash(), "ipv6-not-supported"}, true},
		{"written for another", false, Stamp{"v1", "0123456789ab", "ipv6-not-supported"}, false},
		{"written in full", false, Stamp{"v1", standard().Hash(), ""}, false},
		{"an IPv6 address came", true, Stamp{"v1", standard().Hash(), "ipv6-not-supported"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &Fake{Label: "a", UnsupportedIPv6: true, ByFamily: true}
			f.Corrupt = func(s *State) {
				for i := range s.Sections {
					rules := s.Sections[i].Rules
					rules[len(rules)-1].Stamp = tc.stamp
				}
			}
			e, log := engine(false, f)
			if _, err := e.Apply(context.Background(), standard()); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			e.HasGlobalIPv6 = func() (bool, error) { return tc.hasIPv6, nil }
			c, err := e.Compare(context.Background(), standard())
			if err != nil || c.Equal() != tc.equal || strings.Contains(log.String(), "ipv6-not-supported") != tc.equal {
				t.Errorf("equal %v, %v, log %s", c.Equal(), err, log)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	other := standardConfig()
	other.SkipOutboundPorts = config.PortSet{{First: 1, Last: 1}}
	for _, tc := range []struct {
		name          string
		a, b          State
		refused       bool // a cannot be used
		backend       ID
		missing, also int // changes
	}{
		{"nothing is live: everything is missing, on the first", State{}, State{}, false, "a", 8, 0},
		{"live on the first", live(standard()), State{}, false, "a", 0, 0},
		{"live on the second: compared there", State{}, live(standard()), false, "b", 0, 0},
		{"live on both: the second is beside the plan", live(standard()), live(standard()), false, "a", 0, 8},
		{"the first cannot be used", State{}, live(standard()), true, "b", 0, 0},
		{"another list", live(plan.Build(other)), State{}, false, "a", 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, b := &Fake{Label: "a", Live: tc.a}, &Fake{Label: "b", Live: tc.b}
			a.Unsupported = tc.refused
			e, _ := engine(true, a, b)
			c, err := e.Compare(context.Background(), standard())
			if err != nil {
				t.Fatal(err)
			}
			var missing, extra int
			for _, ch := range c.Changes() {
				if ch.Op == "missing" {
					missing++
				} else {
					extra++
				}
			}
			if c.Backend != tc.backend || missing != tc.missing || extra != tc.also {
				t.Errorf("compared with %s: %d missing, %d extra; want %s, %d, %d\n%s", c.Backend, missing, extra, tc.backend, tc.missing, tc.also, c.Text())
			}
			if c.Equal() != (missing+extra == 0) || c.Equal() != (c.Text() == "") {
				t.Errorf("equal is %v with text %q", c.Equal(), c.Text())
			}
			if n := slices.Concat(a.Calls, b.Calls); slices.Contains(n, "Apply") || slices.Contains(n, "Clear") {
				t.Errorf("comparing wrote: %v", n)
			}
		})
	}
}

func TestALongListIsComparedEntryByEntry(t *testing.T) {
	t.Parallel()
	many := func(skip int) State {
		var list []string
		for i := range 100 {
			if i != skip {
				list = append(list, "port")
			}
		}
		return State{Sections: []Section{{Rules: []Rule{{Rule: plan.Rule{Name: strings.Join(list, ", ")}}}}}}
	}
	d := Diff(many(5), many(-1), func(r Rule) string { return r.Name })
	if n := strings.Count(d, "\n+"); n != 2 { // the header's, and one entry
		t.Errorf("%d added lines:\n%s", n, d)
	}
}

func TestWhatActsOnNothingIsShownOnlyAlone(t *testing.T) {
	t.Parallel()
	line := func(r Rule) string { return r.Name }
	want := live(standard())
	have := live(standard())
	have.Sections = append([]Section{{Place: Place{Table: "table"}, Unused: []string{"set x"}}}, have.Sections...)
	if d := Diff(have, want, line); !strings.Contains(d, "set x") {
		t.Errorf("alone it is not shown: %q", d)
	}
	have.Sections[1].Rules = have.Sections[1].Rules[1:]
	if d := Diff(have, want, line); strings.Contains(d, "set x") || !strings.Contains(d, "+\tskip-inbound-ports") {
		t.Errorf("beside a missing rule: %q", d)
	}
}

// A rule that a reader did not understand decides nothing and equals nothing,
// so that it is always drift.
func TestNotUnderstoodIsDriftAndDecidesNothing(t *testing.T) {
	t.Parallel()
	r := Rule{Rule: plan.Rule{Name: "x"}, NotUnderstood: "limit rate 1/second"}
	if r.Equal(r) {
		t.Error("it equals itself")
	}
	if i := Decide([]Rule{r}, plan.Flow{TCP: true}); i != -1 {
		t.Errorf("it decides: %d", i)
	}
}
