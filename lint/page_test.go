package lint

import (
	"os"
	"slices"
	"strings"
	"testing"

	"shunt/manifest"
)

// Each rule has a page, whose example has the finding and no other, and what is
// to be written instead has none.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, r := range Rules() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			page := r.Page()
			for heading, want := range map[string]string{"Example": r.ID, "Instead": ""} {
				if r.ID == tooMany { // no example fits a page
					continue
				}
				text := example(page, heading)
				s := &manifest.Set{}
				if err := s.Read("f", strings.NewReader(text)); err != nil {
					t.Fatal(err)
				}
				found, _ := Check(s, release(t, DefaultRelease))
				rules := strings.Split(ids(found), " ")
				if rules = slices.Compact(rules); !slices.Equal(rules, []string{want}) {
					t.Errorf("%s: found %q", heading, rules)
				}
			}
			for line := range strings.Lines(page) {
				if len([]rune(line)) > 110 {
					t.Errorf("a long line: %s", line)
				}
			}
		})
	}
	files, err := os.ReadDir("rules")
	if err != nil || len(files) != len(Rules()) {
		t.Errorf("%d pages for %d rules: %v", len(files), len(Rules()), err)
	}
}

// example returns the manifest below a heading of a page.
func example(page, heading string) string {
	_, rest, _ := strings.Cut(page, "## "+heading+"\n\n")
	var b strings.Builder
	for line := range strings.Lines(rest) {
		text, ok := strings.CutPrefix(line, "    ")
		if !ok {
			break
		}
		b.WriteString(text)
	}
	return b.String()
}
