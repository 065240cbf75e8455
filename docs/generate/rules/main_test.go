package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"shunt/plan"
)

func TestTheDocumentIsFresh(t *testing.T) {
	t.Parallel()
	want, err := document()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../rules.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff("docs/rules.md", got, "generated", []byte(want)); d != nil {
		t.Errorf("stale: run go run ./docs/generate/rules > docs/rules.md\n%s", d)
	}
}

// Every rule that plan can build has a section, with the text of both
// backends.
func TestEveryRuleIsThere(t *testing.T) {
	t.Parallel()
	c, err := example(every()...)
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Build(c)
	if len(p.Inbound) != 3 || len(p.Outbound) != 7 {
		t.Errorf("the example has %d inbound and %d outbound rules: not all of the design's 3 and 7", len(p.Inbound), len(p.Outbound))
	}
	nft, ipt := written(p)
	text, _ := document()
	for _, r := range append(p.Inbound, p.Outbound...) {
		if len(linesOf(nft, r.Name)) == 0 || len(linesOf(ipt, r.Name)) == 0 {
			t.Errorf("%s has no text", r.Name)
		}
		if strings.Count(text, ". "+r.Name+"\n") != 1 || !strings.Contains(text, r.Reason) {
			t.Errorf("%s has no section", r.Name)
		}
	}
}
