package config

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	t.Parallel()
	var known []string
	for _, s := range Settings() {
		known = append(known, s.Name)
	}
	for name, want := range map[string]string{
		"skip-inbound-port":     "skip-inbound-ports",
		"skip-inbound-prots":    "skip-inbound-ports",
		"skip_outbound_ports":   "skip-outbound-ports",
		"SKIP-PORTS":            "skip-ports",
		"skip-outbound-subnet":  "skip-outbound-subnets",
		"skip-outbound":         "skip-outbound-ports",
		"inbound-local":         "inbound-local-only",
		"proxy-id":              "proxy-uid",
		"ipv4":                  "ipv6",
		"backend":               "backend",
		"timeout-close-wait":    "timeout-close-wait-secs",
		"frobnicate":            "",
		"x":                     "",
		"":                      "",
		strings.Repeat("x", 99): "",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Suggest("a", nil); got != "" {
		t.Errorf("suggested %q of nothing", got)
	}
}

func TestEdits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"kitten", "sitting", 3},
	} {
		if got := edits(tc.a, tc.b); got != tc.want || edits(tc.b, tc.a) != tc.want {
			t.Errorf("%q to %q takes %d edits, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
