package apply

import (
	"strings"
	"testing"
)

// A comment of somebody else's rule neither forges a line of the difference nor
// moves the terminal's cursor.
func TestACommentForgesNoLineOfADiff(t *testing.T) {
	t.Parallel()
	s := State{Sections: []Section{{
		Place: Place{Table: "shunt", Chain: "inbound"},
		Rules: []Rule{{NotUnderstood: "x"}},
		Stray: []string{"chain \x1b[2Jx\n+\tredirect"},
	}}}
	text := string(Text(s, func(Rule) string { return "comment \"a\n-\tb\"" }))
	if strings.Count(text, "\n") != 3 || strings.ContainsRune(text, '\x1b') || !strings.Contains(text, `comment "a\n-\tb"`) {
		t.Errorf("%q", text)
	}
}
