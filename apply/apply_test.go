package apply

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

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
		Settle:        func() {},
		Version:       "v1",
		Log:           slog.New(slog.NewTextHandler(&log, nil)),
	}
	for _, f := range fakes {
		e.Candidates = append(e.Candidates, Candidate{Name: string(f.Label), Reason: "test", Open: func() (Backend, error) { return f, nil }})
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

func live(p plan.Plan) State { return (&Fake{}).Expand(p) }

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
	f := &Fake{Label: "a", Corrupt: func(s *State) { s.Sections[0].Rules = s.Sections[0].Rules[1:] }}
	e, _ := engine(true, f)
	_, err := e.Apply(context.Background(), standard())
	var unverified *Unverified
	if !errors.As(err, &unverified) || !strings.Contains(unverified.Diff, "+\tskip-inbound-ports") {
		t.Errorf("got %v", err)
	}
}

// elsewhere is a state that somebody else wrote.
func elsewhere() State {
	return State{Sections: []Section{{Place: Place{Table: "fake", Chain: "inbound"}, Stray: []string{"somebody's"}}}}
}

func TestAStaleCommitIsReadAndTriedAgain(t *testing.T) {
	t.Parallel()
	f := &Fake{Label: "a"}
	writes := 2
	f.Before = func(call string) error {
		if call == "Apply" && writes > 0 {
			writes--
			f.Write(elsewhere())
		}
		return nil
	}
	e, _ := engine(true, f)
	res, err := e.Apply(context.Background(), standard())
	if err != nil || res.Commits != 1 || !f.Live.Equal(live(standard())) {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestAWriterWithoutPauseIsNamedWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	f := &Fake{Label: "a"}
	f.Before = func(call string) error {
		if call == "Apply" {
			f.Write(elsewhere())
		}
		return nil
	}
	e, _ := engine(true, f)
	e.Patience = time.Millisecond
	if _, err := e.Apply(context.Background(), standard()); err == nil || !strings.Contains(err.Error(), "somebody else keeps changing the rules") {
		t.Errorf("got %v", err)
	}
	e.Patience = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Apply(ctx, standard()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Backends behave as the fake does: nothing is committed on the word of a
// snapshot that is missing, somebody else's, or no longer true.
func TestASnapshotThatIsMissingForeignOrStaleIsRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := &Fake{Label: "a"}
	foreign, _ := (&Fake{Label: "b"}).Read(ctx)
	stale, _ := f.Read(ctx)
	f.Write(elsewhere())
	for _, tc := range []struct {
		name string
		s    Snapshot
		want error
	}{{"missing", nil, ErrNoSnapshot}, {"foreign", foreign, ErrNoSnapshot}, {"stale", stale, ErrStale}} {
		n, err := f.Apply(ctx, tc.s, Desired{Plan: standard()})
		m, cerr := f.Clear(ctx, tc.s)
		if n+m != 0 || !errors.Is(err, tc.want) || !errors.Is(cerr, tc.want) {
			t.Errorf("%s: %d commits, %v; %d commits, %v", tc.name, n, err, m, cerr)
		}
	}
	if !f.Live.Equal(elsewhere()) && len(f.Live.Sections) != 1 {
		t.Errorf("something was written: %+v", f.Live)
	}
}

// The same rules for another plan are written anew, so that what they say of
// their origin stays true; another version of shunt is no reason to.
func TestRulesThatNameAnotherPlanAreWrittenAnew(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		stamp   Stamp
		changed bool
	}{
		{"another plan", Stamp{"v1", "0123456789ab", ""}, true},
		{"an exception that is over", Stamp{"v1", standard().Hash(), ExceptionNoIPv6NAT}, true},
		{"another version", Stamp{"v0", standard().Hash(), ""}, false},
		{"no stamp", Stamp{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &Fake{Label: "a"}
			f.Write(f.expand(standard(), tc.stamp))
			e, _ := engine(true, f)
			res, err := e.Apply(context.Background(), standard())
			if err != nil || res.Changed != tc.changed {
				t.Errorf("changed %v, %v", res.Changed, err)
			}
			for _, s := range f.Live.Stamps() {
				if s.Plan != standard().Hash() || s.Exception != "" {
					t.Errorf("a rule says %q", s)
				}
			}
		})
	}
}

func TestOnlyNotSupportedGoesOnToTheNextBackend(t *testing.T) {
	t.Parallel()
	first, second := &Fake{Label: "a", Unsupported: true}, &Fake{Label: "b"}
	e, log := engine(true, first, second)
	res, err := e.Apply(context.Background(), standard())
	if err != nil || res.Backend != "b" {
		t.Fatalf("%+v, %v", res, err)
	}
	if !strings.Contains(log.String(), `backend=a reason="not supported here"`) {
		t.Errorf("the step is not logged: %s", log)
	}

	boom := errors.New("boom")
	first.Unsupported, second.Calls = false, nil
	first.Before = func(string) error { return boom }
	if _, err := e.Apply(context.Background(), standard()); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if len(second.Calls) > 0 {
		t.Errorf("after another error the next backend was asked: %v", second.Calls)
	}
}

func TestWhenNoBackendCanBeUsedEveryReasonIsGiven(t *testing.T) {
	t.Parallel()
	refuse := func(label ID) *Fake {
		return &Fake{Label: label, Unsupported: true}
	}
	e, _ := engine(true, refuse("a"), refuse("b"))
	p := standard()
	p.IPv6 = false
	_, err := e.Apply(context.Background(), p)
	if err == nil || !errors.Is(err, ErrNotSupported) ||
		!strings.Contains(err.Error(), "a: ") || !strings.Contains(err.Error(), "b: ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutIPv6NAT(t *testing.T) {
	t.Parallel()
	t.Run("a namespace with an IPv6 address is an error", func(t *testing.T) {
		t.Parallel()
		e, _ := engine(true, &Fake{Label: "a", UnsupportedIPv6: true})
		_, err := e.Apply(context.Background(), standard())
		if err == nil || !errors.Is(err, ErrHalfCovered) || !errors.Is(err, ErrNotSupported) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one without is a named exception", func(t *testing.T) {
		t.Parallel()
		e, log := engine(false, &Fake{Label: "a", UnsupportedIPv6: true})
		res, err := e.Apply(context.Background(), standard())
		if err != nil || res.IPv6 {
			t.Errorf("%+v, %v", res, err)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "ipv6-not-supported") {
			t.Errorf("log: %s", log)
		}
	})
}

func TestOtherOwnersAreClearedAfterTheNewRulesAreLive(t *testing.T) {
	t.Parallel()
	var order []string
	first := &Fake{Label: "a", Corrupt: func(*State) { order = append(order, "applied") }}
	other := &Fake{Label: "b", Live: live(standard())}
	e, log := engine(true, first, other)
	e.Candidates = e.Candidates[:1]
	res, err := e.Apply(context.Background(), standard())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(res.Removed, []ID{"b"}) || !res.Changed || res.Commits != 2 || !other.Live.Empty() {
		t.Errorf("%+v, other %+v", res, other.Live)
	}
	if want := []string{"Find", "Clear", "Find"}; !slices.Equal(other.Calls, want) || len(order) != 1 {
		t.Errorf("other owner: %v, want %v", other.Calls, want)
	}
	if !strings.Contains(log.String(), "backend=b") {
		t.Errorf("the removal is not named: %s", log)
	}
}

func TestAnOwnerThatCannotBeClearedIsAnErrorThatSaysWhatIsLive(t *testing.T) {
	t.Parallel()
	other := &Fake{Label: "b", Live: live(standard()), Before: func(call string) error {
		if call == "Clear" {
			return errors.New("boom")
		}
		return nil
	}}
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
	if err != nil || n != 1 || !slices.Equal(cleared, []ID{"a"}) || !a.Live.Empty() {
		t.Errorf("%d commits, %v, %v", n, cleared, err)
	}
	if n, cleared, err = e.Clear(context.Background()); err != nil || n != 0 || cleared != nil {
		t.Errorf("again: %d commits, %v, %v", n, cleared, err)
	}
}

func TestStampsReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, s := range []Stamp{{}, {"v1.2", "2d3dd1c60384", ""}, {"v1 dirty", "2d3dd1c60384", ExceptionNoIPv6NAT}} {
		if got := ParseStamp(s.String()); got != s {
			t.Errorf("%q reads as %+v", s, got)
		}
	}
	if got := ParseStamp("somebody's words"); got != (Stamp{Version: "somebody's words"}) {
		t.Errorf("got %+v", got)
	}
}

// A plan that leaves IPv6 alone, in a namespace that has IPv6: the caller knows
// how to tell people.
func TestIPv6ThatIsOffAndThatThePodHas(t *testing.T) {
	t.Parallel()
	for _, has := range []bool{true, false} {
		b := &Fake{Label: "a"}
		e, _ := engine(has, b)
		res, err := e.Apply(context.Background(), plan.Build(config.Standard()))
		if err != nil || res.Bypassed != has {
			t.Errorf("with an IPv6 address %t: bypassed %t, %v", has, res.Bypassed, err)
		}
		if res, err = e.Apply(context.Background(), standard()); err != nil || res.Bypassed {
			t.Errorf("rules that cover IPv6: bypassed %t, %v", res.Bypassed, err)
		}
	}
}
