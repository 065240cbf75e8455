package apply

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"shunt/config"
	"shunt/plan"
)

var _ Backend = (*Fake)(nil)

// engine returns an engine over fakes, in the order of candidates, and its log.
func engine(hasIPv6 bool, fakes ...*Fake) (*Engine, *strings.Builder) {
	var log strings.Builder
	e := &Engine{
		Owners: func() ([]Owner, error) {
			var out []Owner
			for _, f := range fakes {
				out = append(out, f)
			}
			return out, nil
		},
		HasGlobalIPv6: func() (bool, error) { return hasIPv6, nil },
		Log:           slog.New(slog.NewTextHandler(&log, nil)),
	}
	for _, f := range fakes {
		e.Candidates = append(e.Candidates, Candidate{Name: f.Label, Reason: "test", Open: func() (Backend, error) { return f, nil }})
	}
	return e, &log
}

// standard is the standard plan, for both families.
func standard() plan.Plan { return plan.Build(standardConfig()) }

func standardConfig() config.Config {
	c := config.Standard()
	c.IPv6 = true
	return c
}

func live(p plan.Plan) plan.State { return (&Fake{}).Expand(p) }

func TestApplyReadsReplacesAndVerifies(t *testing.T) {
	t.Parallel()
	f := &Fake{Label: "a"}
	e, _ := engine(true, f)
	res, err := e.Apply(context.Background(), standard())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"Read", "Apply", "Read"}; !slices.Equal(f.Calls, want) {
		t.Errorf("calls %v, want %v", f.Calls, want)
	}
	if !res.Changed || res.Replaced || res.Commits != 1 || res.Rules != 6 || res.Backend != "a" {
		t.Errorf("result %+v", res)
	}
	f.Calls = nil
	if res, err = e.Apply(context.Background(), standard()); err != nil || res.Changed || res.Commits != 0 {
		t.Errorf("again: %+v, %v", res, err)
	}
	if want := []string{"Read"}; !slices.Equal(f.Calls, want) {
		t.Errorf("unchanged costs %v, want %v", f.Calls, want)
	}
}

func TestWhatDoesNotReadBackIsAnErrorWithTheDifference(t *testing.T) {
	t.Parallel()
	f := &Fake{Label: "a", Corrupt: func(s *plan.State) { s.Sections[0].Rules = s.Sections[0].Rules[1:] }}
	e, _ := engine(true, f)
	_, err := e.Apply(context.Background(), standard())
	var unverified *Unverified
	if !errors.As(err, &unverified) || !strings.Contains(unverified.Diff, "+\tskip-inbound-ports") {
		t.Errorf("got %v", err)
	}
}

func TestAStaleCommitIsReadAndTriedAgain(t *testing.T) {
	t.Parallel()
	f := &Fake{Label: "a", Errors: map[string][]error{"Apply": {plan.ErrStale, plan.ErrStale, nil}}}
	e, _ := engine(true, f)
	res, err := e.Apply(context.Background(), standard())
	if err != nil || res.Commits != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	for range maxTries {
		f.Errors["Apply"] = append(f.Errors["Apply"], plan.ErrStale)
	}
	f.Live = plan.State{}
	if _, err := e.Apply(context.Background(), standard()); err == nil || !strings.Contains(err.Error(), "changed by somebody else") {
		t.Errorf("without end: %v", err)
	}
}

func TestOnlyNotSupportedGoesOnToTheNextBackend(t *testing.T) {
	t.Parallel()
	first := &Fake{Label: "a", Errors: map[string][]error{"Apply": {plan.ErrNotSupported}}}
	second := &Fake{Label: "b"}
	e, log := engine(true, first, second)
	res, err := e.Apply(context.Background(), standard())
	if err != nil || res.Backend != "b" {
		t.Fatalf("%+v, %v", res, err)
	}
	if !strings.Contains(log.String(), `backend=a reason="not supported here"`) {
		t.Errorf("the step is not logged: %s", log)
	}

	boom := errors.New("boom")
	first.Errors["Read"], second.Calls = []error{boom}, nil
	if _, err := e.Apply(context.Background(), standard()); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if len(second.Calls) > 0 {
		t.Errorf("after another error the next backend was asked: %v", second.Calls)
	}
}

func TestWhenNoBackendCanBeUsedEveryReasonIsGiven(t *testing.T) {
	t.Parallel()
	refuse := func(label string) *Fake {
		return &Fake{Label: label, Errors: map[string][]error{"Read": {plan.ErrNotSupported, plan.ErrNotSupported}}}
	}
	e, _ := engine(true, refuse("a"), refuse("b"))
	p := standard()
	p.IPv6 = false
	_, err := e.Apply(context.Background(), p)
	if err == nil || !errors.Is(err, plan.ErrNotSupported) ||
		!strings.Contains(err.Error(), "a: ") || !strings.Contains(err.Error(), "b: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutIPv6NAT(t *testing.T) {
	t.Parallel()
	t.Run("a namespace with an IPv6 address is an error", func(t *testing.T) {
		t.Parallel()
		e, _ := engine(true, &Fake{Label: "a", Errors: map[string][]error{"Apply": {plan.ErrNotSupported}}})
		_, err := e.Apply(context.Background(), standard())
		if err == nil || !strings.Contains(err.Error(), "the namespace has an IPv6 address") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one without is a named exception", func(t *testing.T) {
		t.Parallel()
		e, log := engine(false, &Fake{Label: "a", Errors: map[string][]error{"Apply": {plan.ErrNotSupported}}})
		res, err := e.Apply(context.Background(), standard())
		if err != nil || res.IPv6 {
			t.Errorf("%+v, %v", res, err)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "ipv6-not-supported") {
			t.Errorf("log: %s", log)
		}
	})
}

// What Apply made under the exception is what Compare expects, as long as the
// rules say that it was this plan and no IPv6 address came.
func TestCompareKnowsTheException(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		hasIPv6 bool
		stamp   string
		equal   bool
	}{
		{"written for this plan", false, plan.Stamp("v1", standard().Hash()) + " ipv6-not-supported", true},
		{"written for another", false, plan.Stamp("v1", "0123456789ab") + " ipv6-not-supported", false},
		{"written in full", false, plan.Stamp("v1", standard().Hash()), false},
		{"an IPv6 address came", true, plan.Stamp("v1", standard().Hash()) + " ipv6-not-supported", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &Fake{Label: "a", Errors: map[string][]error{"Apply": {plan.ErrNotSupported}}, ByFamily: true}
			f.Corrupt = func(s *plan.State) {
				rules := slices.Clone(s.Sections[0].Rules)
				rules[len(rules)-1].Stamp = tc.stamp
				s.Sections[0].Rules = rules
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

func TestOtherOwnersAreClearedAfterTheNewRulesAreLive(t *testing.T) {
	t.Parallel()
	var order []string
	first := &Fake{Label: "a", Corrupt: func(*plan.State) { order = append(order, "applied") }}
	other := &Fake{Label: "b", Live: live(standard())}
	e, log := engine(true, first, other)
	e.Candidates = e.Candidates[:1]
	res, err := e.Apply(context.Background(), standard())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(res.Removed, []string{"b"}) || !res.Changed || res.Commits != 2 || !other.Live.Empty() {
		t.Errorf("%+v, other %+v", res, other.Live)
	}
	if want := []string{"Read", "Clear", "Read"}; !slices.Equal(other.Calls, want) || len(order) != 1 {
		t.Errorf("other owner: %v, want %v", other.Calls, want)
	}
	if !strings.Contains(log.String(), "backend=b") {
		t.Errorf("the removal is not named: %s", log)
	}
}

func TestAnOwnerThatCannotBeClearedIsAnErrorThatSaysWhatIsLive(t *testing.T) {
	t.Parallel()
	other := &Fake{Label: "b", Live: live(standard()), Errors: map[string][]error{"Clear": {errors.New("boom")}}}
	e, _ := engine(true, &Fake{Label: "a"}, other)
	e.Candidates = e.Candidates[:1]
	_, err := e.Apply(context.Background(), standard())
	if err == nil || !strings.Contains(err.Error(), "the rules are live on a") || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
}

func TestClear(t *testing.T) {
	t.Parallel()
	a, b := &Fake{Label: "a", Live: live(standard())}, &Fake{Label: "b"}
	e, _ := engine(true, a, b)
	n, cleared, err := e.Clear(context.Background())
	if err != nil || n != 1 || !slices.Equal(cleared, []string{"a"}) || !a.Live.Empty() {
		t.Errorf("%d commits, %v, %v", n, cleared, err)
	}
	if n, cleared, err = e.Clear(context.Background()); err != nil || n != 0 || cleared != nil {
		t.Errorf("again: %d commits, %v, %v", n, cleared, err)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	other := standardConfig()
	other.SkipOutboundPorts = config.PortSet{{First: 1, Last: 1}}
	for _, tc := range []struct {
		name          string
		a, b          plan.State
		refused       bool // a cannot be used
		backend       string
		missing, also int // changes
	}{
		{"nothing is live: everything is missing, on the first", plan.State{}, plan.State{}, false, "a", 8, 0},
		{"live on the first", live(standard()), plan.State{}, false, "a", 0, 0},
		{"live on the second: compared there", plan.State{}, live(standard()), false, "b", 0, 0},
		{"live on both: the second is beside the plan", live(standard()), live(standard()), false, "a", 0, 8},
		{"the first cannot be used", plan.State{}, live(standard()), true, "b", 0, 0},
		{"another list", live(plan.Build(other)), plan.State{}, false, "a", 1, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a, b := &Fake{Label: "a", Live: tc.a}, &Fake{Label: "b", Live: tc.b}
			if tc.refused {
				a.Errors = map[string][]error{"Read": {plan.ErrNotSupported, plan.ErrNotSupported}}
			}
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
	many := func(skip int) plan.State {
		var list []string
		for i := range 100 {
			if i != skip {
				list = append(list, "port")
			}
		}
		return plan.State{Sections: []plan.Section{{Name: "x", Rules: []plan.Rule{{Name: strings.Join(list, ", ")}}}}}
	}
	d := Diff(many(5), many(-1), func(r plan.Rule) string { return r.Name })
	if n := strings.Count(d, "\n+"); n != 2 { // the header's, and one entry
		t.Errorf("%d added lines:\n%s", n, d)
	}
}

func TestWhatActsOnNothingIsShownOnlyAlone(t *testing.T) {
	t.Parallel()
	line := func(r plan.Rule) string { return r.Name }
	want := live(standard())
	have := live(standard())
	have.Sections = append([]plan.Section{{Name: "table", Unused: []string{"set x"}}}, have.Sections...)
	if d := Diff(have, want, line); !strings.Contains(d, "set x") {
		t.Errorf("alone it is not shown: %q", d)
	}
	have.Sections[1].Rules = have.Sections[1].Rules[1:]
	if d := Diff(have, want, line); strings.Contains(d, "set x") || !strings.Contains(d, "+\tskip-inbound-ports") {
		t.Errorf("beside a missing rule: %q", d)
	}
}
