package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// goList returns what `go list` prints, a line an item.
func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go list %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Data flows one way, and so do imports: a backend that knew the configuration
// could bypass the plan.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"shunt/config":   nil,
		"shunt/netns":    nil,
		"shunt/plan":     {"shunt/config"},
		"shunt/nftables": {"shunt/plan", "shunt/netns"},
		"shunt/iptables": {"shunt/plan", "shunt/netns"},
		"shunt/apply":    {"shunt/plan", "shunt/netns"},
		"shunt/cni":      {"shunt/apply", "shunt/config", "shunt/netns", "shunt/plan"},
		"shunt/manifest": {"shunt/config", "shunt/plan"},
		"shunt/lint":     {"shunt/config", "shunt/plan", "shunt/manifest"},
		"shunt/explain":  {"shunt/config", "shunt/plan"},
	}
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "shunt/...") {
		pkg, rest, _ := strings.Cut(line, " ")
		want, checked := allowed[pkg]
		if !checked {
			continue // the command, and what only tests use
		}
		for _, imp := range strings.Fields(rest) {
			if strings.HasPrefix(imp, "shunt/") && !slices.Contains(want, imp) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
	}
}

// The binary runs as a CNI plugin on every node.
func TestTheBinaryLinksNothingOfKubernetes(t *testing.T) {
	t.Parallel()
	for _, dep := range goList(t, "-deps", "shunt/cmd/shunt") {
		if strings.HasPrefix(dep, "k8s.io/") {
			t.Errorf("linked: %s", dep)
		}
		// What tests need, and what costs start-up time.
		for _, unwanted := range []string{"shunt/netns/netnstest", "testing", "os/signal", "net/http", "crypto/sha256"} {
			if dep == unwanted {
				t.Errorf("linked: %s", dep)
			}
		}
	}
}
