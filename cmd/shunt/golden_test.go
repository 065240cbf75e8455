package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"shunt/config"
	"shunt/netns/netnstest"
)

// goldenFormats are the files of a golden archive that plan prints, by their
// names, with the flags that print them.
func goldenFormats() map[string][]string {
	return map[string][]string{
		"nft":      {"-o", "nft"},
		"iptables": {"-o", "iptables"},
		"table":    {"-o", "table"},
		"json":     {"-o", "json"},
		"mermaid":  {"-o", "mermaid"},
	}
}

// invoke runs the program in this process, in the calling thread's namespace.
func invoke(stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(context.Background(), system{
		args:      args,
		lookupEnv: func(string) (string, bool) { return "", false },
		stdin:     strings.NewReader(stdin),
		stdout:    &out,
		stderr:    &errs,
	})
	return code, out.String(), errs.String()
}

// golden is one archive of testdata: a configuration, and what comes of it.
type golden struct {
	path    string
	archive *txtar.Archive
	args    []string // of the file "flags", a word a line
	config  string   // of the file "config", read by --config -
}

func goldens(t *testing.T) []golden {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var out []golden
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := golden{path: path, archive: a}
		for _, f := range a.Files {
			switch f.Name {
			case "flags":
				g.args = strings.Fields(string(f.Data))
			case "config":
				g.config = string(f.Data)
				g.args = append(g.args, "--config", "-")
			}
		}
		out = append(out, g)
	}
	return out
}

func (g golden) name() string { return strings.TrimSuffix(filepath.Base(g.path), ".txtar") }

// Every option has an archive: its flags or its file, and the text that plan
// prints for it. The comment of the archive says what it shows.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		t.Run(g.name(), func(t *testing.T) {
			t.Parallel()
			if len(bytes.TrimSpace(g.archive.Comment)) == 0 {
				t.Errorf("%s does not say what it shows", g.path)
			}
			seen := 0
			for i, f := range g.archive.Files {
				flags, ok := goldenFormats()[f.Name]
				if !ok {
					continue
				}
				seen++
				code, got, stderr := invoke(g.config, append(append([]string{"plan"}, flags...), g.args...)...)
				if code != exitDone {
					t.Fatalf("plan: status %d: %s", code, stderr)
				}
				if *update {
					g.archive.Files[i].Data = []byte(got)
				} else if got != string(f.Data) {
					t.Errorf("%s, file %s:\n got:\n%s\nwant:\n%s", g.path, f.Name, got, f.Data)
				}
			}
			if seen == 0 {
				t.Errorf("%s has no file that plan prints", g.path)
			}
			if *update {
				if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The text that plan prints is what init applies: loaded by the backend's own
// tool into a fresh namespace, it leaves nothing for diff to show.
func TestGoldenTextLoads(t *testing.T) {
	t.Parallel()
	for _, g := range goldens(t) {
		for _, tool := range []struct {
			name   string
			flags  []string
			format string
			load   [][]string
		}{
			{"nft", []string{"--backend", "nftables"}, "nft", [][]string{{"nft", "-f", "-"}}},
			{"iptables-nft", []string{"--backend", "iptables", "--iptables-mode", "nft"}, "iptables",
				[][]string{{"iptables-nft-restore", "--noflush"}, {"ip6tables-nft-restore", "--noflush"}}},
			{"iptables-legacy", []string{"--backend", "iptables", "--iptables-mode", "legacy"}, "iptables",
				[][]string{{"iptables-legacy-restore", "--noflush"}, {"ip6tables-legacy-restore", "--noflush"}}},
		} {
			t.Run(g.name()+"/"+tool.name, func(t *testing.T) {
				t.Parallel()
				for _, l := range tool.load {
					netnstest.Tool(t, l[0])
				}
				if tool.format == "iptables" { // xt_owner refuses ids that there are not
					netnstest.IDs(t, config.StandardProxyUID)
				}
				args := append(withoutBackend(g.args), tool.flags...)
				code, text, stderr := invoke(g.config, append([]string{"plan", "-o", tool.format}, args...)...)
				if code != exitDone {
					t.Fatalf("plan: status %d: %s", code, stderr)
				}
				ns := netnstest.New(t)
				for i, l := range tool.load {
					if i > 0 && !strings.Contains(text, "# ip6tables") {
						continue
					}
					ns.Exec(t, text, l[0], l[1:]...)
				}
				ns.Run(t, func() {
					if code, diff, stderr := invoke(g.config, append([]string{"diff"}, args...)...); code != exitDone {
						t.Errorf("diff: status %d\n%s%s", code, diff, stderr)
					}
				})
			})
		}
	}
}

// withoutBackend drops an archive's own choice of a backend.
func withoutBackend(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "--backend", "--iptables-mode":
			i++
		default:
			out = append(out, args[i])
		}
	}
	return out
}
