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
// could bypass the plan. A new package has to be given its place here.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		"config":   "",
		"logging":  "config",
		"cli":      "explain config",
		"plan":     "config",
		"pods":     "config",
		"facts":    "pods",
		"netns":    "",
		"apply":    "plan",
		"nftables": "apply plan netns",
		"iptables": "apply plan netns",
		"redirect": "apply nftables iptables config plan netns",
		"cni":      "redirect apply plan netns facts pods config logging",
		"manifest": "config plan pods",
		"lint":     "manifest config plan pods",
		"explain":  "apply config plan",

		"docs/playground": "explain lint manifest config plan pods",

		"agent":         "agent/install agent/repair cni redirect config facts netns pods",
		"agent/install": "pods",
		"agent/repair":  "cni redirect apply netns pods config",

		"chart":         "",
		"image":         "",
		"image/mkimage": "image",
	}
	everything := []string{"bench", "cmd", "conformance", "e2e", "docs/generate", "netns/netnstest"} // may import all
	for _, line := range goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "shunt/...") {
		pkg, imports, _ := strings.Cut(strings.TrimPrefix(line, "shunt/"), " ")
		if slices.ContainsFunc(everything, func(top string) bool { return pkg == top || strings.HasPrefix(pkg, top+"/") }) {
			continue
		}
		want, known := allowed[pkg]
		if !known {
			t.Errorf("package %s is not in the design: say here what it may import", pkg)
			continue
		}
		for _, imp := range strings.Fields(imports) {
			if ours, is := strings.CutPrefix(imp, "shunt/"); is && !slices.Contains(strings.Fields(want), ours) {
				t.Errorf("%s imports %s", pkg, ours)
			}
		}
	}
}

// The plugin asks the agent by system calls: package net's own sockets and its
// resolver would make a third of a megabyte.
func TestTheSocketNeedsNoPackageNet(t *testing.T) {
	t.Parallel()
	for _, imp := range goList(t, "-f", "{{join .Imports \"\\n\"}}", "shunt/facts") {
		if imp == "net" || strings.HasPrefix(imp, "net/") {
			t.Errorf("facts imports %s", imp)
		}
	}
}

// What a binary must not link, because of what it costs at start-up or in size,
// or because it belongs in tests. A name that ends in a slash is a whole tree.
func TestNoBinaryLinksWhatItMustNot(t *testing.T) {
	t.Parallel()
	denied := map[string]string{
		// It stays on every node.
		"cmd/shunt-agent": "k8s.io/client-go/kubernetes testing shunt/netns/netnstest",
		// It runs as a CNI plugin, once for each pod on every node.
		"cmd/shunt": "k8s.io/ github.com/google/nftables/ github.com/mdlayher/ net/http crypto/ encoding/xml os/signal testing shunt/netns/netnstest shunt/agent",
	}
	for _, pkg := range goList(t, "-f", "{{if eq .Name \"main\"}}{{.ImportPath}}{{end}}", "shunt/cmd/...") {
		pkg = strings.TrimPrefix(pkg, "shunt/")
		list, known := denied[pkg]
		if !known {
			t.Errorf("binary %s has no list of what it must not link: give it one here", pkg)
		}
		deps := goList(t, "-deps", "shunt/"+pkg)
		for _, deny := range strings.Fields(list) {
			for _, dep := range deps {
				if dep == deny || strings.HasSuffix(deny, "/") && strings.HasPrefix(dep, deny) {
					t.Errorf("%s links %s", pkg, dep)
				}
			}
		}
	}
}
