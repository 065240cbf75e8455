// Shunt redirects a pod's TCP traffic through its sidecar proxy.
//
// One binary has several roles: the command line; under Linkerd's names its init
// container and its network validator; and, under any name, a chained CNI plugin
// where a container runtime sets CNI_COMMAND and gives no arguments.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"shunt/cni"
	"shunt/logging"
)

// Exit statuses, as kubectl and diff(1) use them.
const (
	exitDone     = 0  // done; for diff: no difference
	exitFailed   = 1  // acting failed; for diff: there are differences
	exitRejected = 2  // rejected before anything was touched; for diff: trouble
	exitNotValid = 95 // of validate alone: the connection was not redirected
)

// system is what a run sees of its surroundings.
type system struct {
	args      []string // without the program's name
	lookupEnv func(string) (string, bool)
	environ   []string // all of it, as NAME=value
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	role      role
}

// openLog returns the log. Under Linkerd's names it is on standard output, an
// unknown format is plain, and the validator's level a filter, as there.
// Otherwise standard output is for the product alone.
func (s *system) openLog(l *logging.Flags) (*slog.Logger, error) {
	if s.role != proxyInit && s.role != networkValidator {
		return l.Open(s.stderr)
	}
	if l.Format != logging.JSON {
		l.Format = logging.Plain
	}
	if s.role == networkValidator {
		l.Level = logging.FilterLevel(l.Level)
	}
	return l.Open(s.stdout)
}

func main() {
	if len(os.Args) == 2 && os.Args[0] == cni.LogWriter {
		os.Exit(cni.WriteLog(os.Args[1]))
	}
	// A runtime gives a plugin no arguments. Whoever gives some means them,
	// whatever is in the environment.
	if os.Getenv("CNI_COMMAND") != "" && len(os.Args) == 1 {
		newPlugin().Main()
	}
	// Signals keep their default: a kill at any moment leaves the old rules
	// or the new ones, and catching signals costs as much start-up time as
	// everything else that plan does.
	os.Exit(run(context.Background(), system{
		args:      os.Args[1:],
		lookupEnv: os.LookupEnv,
		environ:   os.Environ(),
		stdin:     os.Stdin,
		stdout:    os.Stdout,
		stderr:    os.Stderr,
		role:      roleOf(os.Args[0]),
	}))
}

// role is what the program is, by the name that it was called under.
type role int

const (
	commandLine       role = iota
	proxyInit              // Linkerd's init container
	networkValidator       // Linkerd's, which waits for the plugin's rules
	kubectlPlugin          // kubectl shunt
	kubectlCompletion      // what kubectl asks to complete its words
)

func roleOf(argv0 string) role {
	switch filepath.Base(argv0) {
	case "proxy-init", "linkerd2-proxy-init":
		return proxyInit
	case "linkerd-network-validator", "linkerd2-network-validator":
		return networkValidator
	case "kubectl-shunt":
		return kubectlPlugin
	case "kubectl_complete-shunt":
		return kubectlCompletion
	}
	return commandLine
}
