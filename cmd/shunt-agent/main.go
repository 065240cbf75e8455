// Shunt-agent puts shunt's CNI plugin on a node and keeps it there.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitDone     = 0
	exitFailed   = 1 // acting failed; for status: not ready
	exitRejected = 2 // rejected before anything was touched
)

// system is what a run sees of its surroundings.
type system struct {
	name      string // the program's
	args      []string
	lookupEnv func(string) (string, bool)
	stdout    io.Writer
	stderr    io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	status := run(ctx, system{
		name:      os.Args[0],
		args:      os.Args[1:],
		lookupEnv: os.LookupEnv,
		stdout:    os.Stdout,
		stderr:    os.Stderr,
	})
	stop()
	os.Exit(status)
}
