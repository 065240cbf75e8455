package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shunt/agent"
	"shunt/netns/netnstest"
)

var update = flag.Bool("update", false, "rewrite the golden parts of scripts from what the program prints")

// inNamespaces runs the tests where network namespaces can be made.
type inNamespaces struct{ m *testing.M }

func (r inNamespaces) Run() int { return netnstest.Run(r.m) }

func TestMain(m *testing.M) {
	version = "v0.0.0-test" // what golden files say
	testscript.Main(inNamespaces{m}, map[string]func(){"shunt-agent": main, agent.RepairControllerName: main})
}

// TestScript runs the command line as an operator does, in a folder that holds
// a node's folders.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}
