// Shunt redirects a pod's TCP traffic through its sidecar proxy.
//
// One binary has several roles: the command line, under the names proxy-init
// and linkerd2-proxy-init the init container of Linkerd, and, under any name,
// a chained CNI plugin where a container runtime sets CNI_COMMAND and gives no
// arguments.
package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"shunt/cni"
)

// Exit statuses, as kubectl and diff(1) use them.
const (
	exitDone     = 0 // done; for diff: no difference
	exitFailed   = 1 // acting failed; for diff: there are differences
	exitRejected = 2 // rejected before anything was touched; for diff: trouble
)

// system is what a run sees of its surroundings.
type system struct {
	args      []string // without the program's name
	lookupEnv func(string) (string, bool)
	stdin     io.Reader
	stdout    io.Writer
	stderr    io.Writer
	linkerd   bool // called under one of Linkerd's names
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
		stdin:     os.Stdin,
		stdout:    os.Stdout,
		stderr:    os.Stderr,
		linkerd:   isLinkerdName(os.Args[0]),
	}))
}

// isLinkerdName reports whether the program was called as Linkerd's own.
func isLinkerdName(argv0 string) bool {
	switch filepath.Base(argv0) {
	case "proxy-init", "linkerd2-proxy-init":
		return true
	}
	return false
}
