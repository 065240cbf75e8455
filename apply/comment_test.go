package apply

import (
	"testing"

	"shunt/plan"
)

func TestNamesOfCommentsAreOneToOne(t *testing.T) {
	t.Parallel()
	for comment, name := range map[string]string{
		"shunt/loopback":             "loopback",
		"proxy-init/ignore-loopback": "proxy-init/ignore-loopback",
		"loopback":                   "/loopback",
		"":                           "/",
		"/":                          "//",
		"/loopback":                  "//loopback",
		"shunt/":                     "shunt/",
		"shunt/a/b":                  "shunt/a/b",
		"shunt/ x":                   "shunt/ x",
	} {
		if got, _ := ParseComment(comment); got != name {
			t.Errorf("%q is named %q, want %q", comment, got, name)
		}
		if got := Comment(name); got != comment {
			t.Errorf("%q has the comment %q, want %q", name, got, comment)
		}
	}
}

func TestTitle(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"loopback": "loopback", "": "(not shunt's)", "/my rule": `"my rule"`, "proxy-init/ignore-loopback": `"proxy-init/ignore-loopback"`, "/a\x1bb": `"a\x1bb"`,
	} {
		if got := (Rule{Rule: plan.Rule{Name: name}}).Title(); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
