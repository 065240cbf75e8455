package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/netns/netnstest"
)

var update = flag.Bool("update", false, "rewrite the golden files from what the program prints")

// inNamespaces runs the tests where network namespaces can be made.
type inNamespaces struct{ m *testing.M }

func (r inNamespaces) Run() int { return netnstest.Run(r.m) }

func TestMain(m *testing.M) {
	version = "v0.0.0-test" // what golden files say
	testscript.Main(inNamespaces{m}, map[string]func(){
		"shunt":                      main,
		"proxy-init":                 main,
		"linkerd2-network-validator": main,
		"kubectl-shunt":              main,
		"kubectl_complete-shunt":     main,
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

// condition is what scripts ask for in brackets: [iptables], whether both
// variants can be used, which like netnstest.Skip is an error where all tests must
// run and it does not hold; and [host], whether the tests run in the host's own
// network namespace.
func condition(name string) (bool, error) {
	switch name {
	case "iptables":
		return hasIptables()
	case "host":
		ns, err := netns.Current()
		if err != nil {
			return false, err
		}
		defer ns.Close()
		host, err := ns.IsHost()
		return host && err == nil && (ns.IsInitial() || netns.OnHost()), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func hasIptables() (bool, error) {
	var missing []error
	for _, variant := range []string{iptables.ModeLegacy, iptables.ModeNFT} {
		if _, err := iptables.FindCommand("iptables-" + variant); err != nil {
			missing = append(missing, err)
		}
	}
	// xt_owner refuses ids that the user namespace does not have.
	if uid := uint32(config.StandardProxyUID); !netnstest.HasIDs(uid) {
		missing = append(missing, fmt.Errorf("user %d, as root has it", uid))
	}
	if len(missing) > 0 && os.Getenv("CI") == "true" {
		return false, errors.Join(missing...)
	}
	return len(missing) == 0, nil
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
		Condition:     condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("NETNS", netnstest.New(t).Path)
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			return nil
		},
	})
}
