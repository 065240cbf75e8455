package iptables

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"shunt/apply"
	"shunt/plan"
)

// TestDecide has what is live, as iptables-save prints it, the plan that is
// wanted, and what is sent, in that order, with what would take it back.
func TestDecide(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/decide/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a.Files = a.Files[:3]
			var live tables
			for i, fam := range families() {
				if live[i], err = parseSave(string(a.Files[i].Data), fam); err != nil {
					t.Fatal(err)
				}
			}
			want := wanted(strings.TrimSpace(string(a.Files[2].Data)))
			a.Files = append(a.Files, txtar.File{Name: "steps", Data: []byte(textOfSteps(live, want))})
			golden(t, path, string(txtar.Format(a)))
		})
	}
}

// wanted returns the tables that a case names.
func wanted(name string) tables {
	p := plan.Plan{
		Inbound:  []plan.Rule{{Name: "redirect-inbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}}},
		Outbound: []plan.Rule{{Name: "redirect-outbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4140}}},
		IPv6:     name == "both families",
	}
	if name == "nothing" {
		return tables{{}, {}}
	}
	return planned(apply.Desired{Plan: p, Stamp: testStamp})
}

func textOfSteps(live, want tables) string {
	steps, err := decide(live, want)
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	var b strings.Builder
	for _, s := range steps {
		fmt.Fprintf(&b, "%v:\n%s", s.family, s.text)
		if s.noUndo != nil {
			fmt.Fprintf(&b, "not to be taken back: %v\n", s.noUndo)
		} else {
			fmt.Fprintf(&b, "to take it back:\n%s", s.undo)
		}
		for _, err := range s.inUse {
			fmt.Fprintf(&b, "and then: %v\n", err)
		}
	}
	if len(steps) == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

// Whatever sequence of plans came before, no rule names another plan than the
// one that is live: the rules are those of a first apply, stamps included.
func TestStampsStayTrueAfterAnySequenceOfPlans(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		r := rand.New(rand.NewPCG(3, 3))
		b := backend(t, mode)
		p := mapped(randomPlan(r))
		for range 25 {
			switch r.IntN(3) {
			case 0:
				p = mapped(randomPlan(r))
			case 1:
				p.IPv6 = !p.IPv6 // everything else stays
			case 2:
				p.Inbound = append([]plan.Rule{{Name: "skip-subnets", Match: plan.Match{Src: prefixList("2001:db8::/32")}}}, p.Inbound...)
				p.IPv6 = true // one family changes
			}
			want := apply.Desired{Plan: p, Stamp: apply.Stamp{Version: "v1", Plan: p.Hash()}}
			if _, err := b.Apply(t.Context(), read(t, b), want); err != nil {
				t.Fatal(err)
			}
			live := read(t, b).State()
			if !live.Equal(b.Expand(p)) {
				t.Fatalf("live rules differ from the plan:\n%s", textOf(b, live))
			}
			if got := live.Stamps(); len(got) > 1 || len(got) == 1 && got[0] != want.Stamp {
				t.Fatalf("the rules are for %v, want %v", got, want.Stamp)
			}
		}
	})
}

func TestSwitchingIPv6RenewsTheStampsOfIPv4(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		p := mapped(standard())
		for i, ipv6 := range []bool{true, false, true} {
			p.IPv6 = ipv6
			want := apply.Desired{Plan: p, Stamp: apply.Stamp{Version: "v1", Plan: p.Hash()}}
			if n, err := b.Apply(t.Context(), read(t, b), want); n != 2 || err != nil {
				t.Errorf("run %d: %d commits, %v", i, n, err)
			}
			if got := saved(t, mode, "ip"); strings.Count(got, "v1 plan "+p.Hash()) != 2 {
				t.Errorf("run %d: the IPv4 rules are for another plan than %s:\n%s", i, p.Hash(), got)
			}
		}
	})
}
