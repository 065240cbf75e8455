package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/pflag"

	"shunt/config"
)

func TestTheDocumentIsFresh(t *testing.T) {
	t.Parallel()
	want, err := document()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../linkerd.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff("docs/linkerd.md", got, "generated", []byte(want)); d != nil {
		t.Errorf("stale: run go run ./docs/generate/linkerd > docs/linkerd.md\n%s", d)
	}
}

// Every flag of Linkerd's program is one of shunt's under Linkerd's names, and
// its letter too.
func TestEveryFlagOfLinkerdsIsTaken(t *testing.T) {
	t.Parallel()
	letters := map[string]string{"incoming-proxy-port": "p", "outgoing-proxy-port": "o", "proxy-uid": "u", "proxy-gid": "g", "ports-to-redirect": "r"}
	fs := pflag.NewFlagSet("proxy-init", pflag.ContinueOnError)
	config.BindFlags(fs, config.LinkerdNames)
	for _, f := range flags() {
		if f.ours != "" && !strings.HasPrefix(f.name, "firewall") {
			// Not one of package config; the tests of the command line use it.
			if _, _, err := config.ParseArguments(config.LinkerdNames, []string{"--" + f.name + "=true"}, "x"); err != nil {
				t.Errorf("--%s: %v", f.name, err)
			}
			continue
		}
		flag := fs.Lookup(f.name)
		if flag == nil || flag.Shorthand != letters[f.name] {
			t.Errorf("--%s is %+v, want the letter %q", f.name, flag, letters[f.name])
		}
	}
}
