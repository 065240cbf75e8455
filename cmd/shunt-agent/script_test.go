package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden parts of scripts from what the program prints")

func TestMain(m *testing.M) {
	version = "v0.0.0-test" // what golden files say
	testscript.Main(m, map[string]func(){"shunt-agent": main})
}

// TestScript runs the command line as an operator does, in a folder that holds
// a node's folders.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", UpdateScripts: *update})
}
