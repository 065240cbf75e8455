package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"shunt/lint"
	"shunt/netns/netnstest"
)

// The documents' transcripts are what the program prints, and the table of
// findings is lint's.
func TestDocsExplain(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	if code, _, errs := invoke("", "init", "--netns", ns.Path, "--skip-outbound-ports", "3306"); code != exitDone {
		t.Fatalf("init: status %d: %s", code, errs)
	}
	for _, path := range []string{"../../docs/explain.md", "../../docs/lint.md"} {
		transcript(t, path, ns.Path)
	}
}

func transcript(t *testing.T, path, netns string) {
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := transcribe(withRules(string(have)), func(command string) string {
		from := strings.NewReplacer("docs/examples/", "../../docs/examples/", "/run/netns/pod1", netns)
		args := strings.Fields(from.Replace(command))
		code, out, errs := invoke("", args[1:]...)
		out += errs
		if code != exitDone {
			out += fmt.Sprintf("exit status %d\n", code)
		}
		return strings.ReplaceAll(out, "../../docs/examples/", "docs/examples/")
	})
	if want == string(have) {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("stale: go test ./cmd/shunt -run TestDocs -update\n%s", diff.Diff(path, have, "now", []byte(want)))
}

// README's picture is what explain draws.
func TestDocsPicture(t *testing.T) {
	t.Parallel()
	const path = "../../docs/way.svg"
	_, want, errs := invoke("", "explain", "outbound", "--uid", "1000", "--to", "10.96.40.12:8080", "-f", "../../docs/examples/mysql-client.yaml", "-o", "svg")
	have, err := os.ReadFile(path)
	switch {
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	case err != nil || string(have) != want:
		t.Errorf("stale: make docs (%v)\n%s", err, errs)
	}
}

// A reader finds each page from the index in one step, and no link leads nowhere.
func TestDocsIndex(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`)
	indexed := map[string]bool{"README.md": true}
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
			if page == "../../docs/README.md" {
				indexed[m[1]] = true
			}
		}
	}
	for _, page := range pages {
		if !indexed[filepath.Base(page)] {
			t.Errorf("docs/README.md does not lead to %s", filepath.Base(page))
		}
	}
}

// transcribe replaces what stands below each command in a console block.
func transcribe(text string, run func(command string) string) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case line == "```console\n":
			inside = true
		case line == "```\n":
			inside = false
		case inside && strings.HasPrefix(line, "$ "):
			if !strings.HasSuffix(b.String(), "```console\n") {
				b.WriteByte('\n')
			}
			b.WriteString(line + run(strings.TrimSpace(line[2:])))
			continue
		case inside:
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// withRules replaces the rows of the table of findings.
func withRules(text string) string {
	const begin, end = "<!-- rules -->\n", "<!-- end of rules -->"
	before, rest, _ := strings.Cut(text, begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return text
	}
	rows := "\n| rule | severity | why |\n| --- | --- | --- |\n"
	for _, r := range lint.Rules() {
		rows += fmt.Sprintf("| `%s` | %s | %s |\n", r.ID, r.Severity, r.Why)
	}
	return before + begin + rows + "\n" + end + after
}

// A pod with an init container of Linkerd's name, and without a proxy, is one
// that the injector leaves alone: it would have rules, and no proxy.
func TestNoDocumentTellsPeopleToWriteLinkerdsInitContainer(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "- name: linkerd-init") {
			t.Errorf("%s has a container linkerd-init in a manifest", path)
		}
	}
}
