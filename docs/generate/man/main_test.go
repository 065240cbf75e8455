package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	p := parse(`Do something
in two lines: like this.

Another paragraph.

Usage:
  shunt do [flags]

Examples:
  shunt do --it

Flags:
  -f, --file name   read this; - is standard input
      --it          do it (default true)
`)
	if len(p.about) != 2 || p.about[0] != "Do something\nin two lines: like this." || len(p.usage) != 1 || len(p.examples) != 1 || len(p.flags) != 2 {
		t.Fatalf("%+v", p)
	}
	if flag, about := columns(p.flags[0]); flag != "-f, --file name" || about != "read this; - is standard input" {
		t.Errorf("%q, %q", flag, about)
	}
	if got := escape("a-b \\\n.c"); got != "a\\-b \\e\n\\&.c" {
		t.Errorf("escaped: %q", got)
	}
}

// Every verb gets a page with its flags and examples, which man can set
// without a complaint.
func TestPagesOfTheProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "shunt")
	if out, err := exec.Command("go", "build", "-o", program, "shunt/cmd/shunt").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	folder := filepath.Join(dir, "man")
	if err := writeAll(program, folder); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shunt", "shunt-init", "shunt-plan", "shunt-diff", "shunt-clear", "shunt-explain", "shunt-lint", "shunt-status", "shunt-validate", "shunt-completion", "shunt-help", "shunt-version",
		"kubectl-shunt", "kubectl-shunt-status", "kubectl-shunt-diff", "kubectl-shunt-plan", "kubectl-shunt-explain", "kubectl-shunt-lint"} {
		text, err := os.ReadFile(filepath.Join(folder, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(string(text), ".TH "+strings.ToUpper(name)+" 1 ") {
			t.Errorf("%s begins with %.40q", name, text)
		}
		if man, err := exec.LookPath("man"); err == nil {
			cmd := exec.Command(man, "--warnings", "-l", filepath.Join(folder, name+".1"))
			cmd.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=100", "LC_ALL=C.UTF-8")
			var complaints strings.Builder
			cmd.Stderr = &complaints
			if set, err := cmd.Output(); err != nil || complaints.Len() > 0 || !strings.Contains(string(set), "SYNOPSIS") {
				t.Errorf("%s: %v\n%s", name, err, &complaints)
			}
		}
	}
	plan, err := os.ReadFile(filepath.Join(folder, "shunt-plan.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`.B \-\-skip\-inbound\-ports ports`, `shunt plan \-o table`, ".SH OPTIONS", ".SS Settings", ".SH ENVIRONMENT", `SHUNT_INBOUND_PORT`, ".BR shunt (1)"} {
		if !strings.Contains(string(plan), want) {
			t.Errorf("shunt-plan.1 lacks %q", want)
		}
	}
}
