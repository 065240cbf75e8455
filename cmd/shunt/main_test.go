package main

import (
	"errors"
	"flag"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shunt/netns/netnstest"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the program prints")

// inNamespaces runs the tests where network namespaces can be made.
type inNamespaces struct{ m *testing.M }

func (r inNamespaces) Run() int { return netnstest.Run(r.m) }

func TestMain(m *testing.M) {
	version = "v0.0.0-test" // what golden files say
	testscript.Main(inNamespaces{m}, map[string]func(){
		"shunt":      main,
		"proxy-init": main,
	})
}

// exits is a script command: exits STATUS command [arg...] runs the command and
// fails unless it ends with that status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS command [arg...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// TestScript runs the command line as an operator does. Every script has a
// network namespace of its own, whose file is $NETNS; nft, iptables and the
// like run in it by nsenter --net=$NETNS.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NETNS", netnstest.New(t).Path)
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			return nil
		},
	})
}
