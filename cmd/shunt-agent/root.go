package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shunt/agent"
	"shunt/cli"
	"shunt/config"
	"shunt/plan"
	"shunt/redirect"
)

// exitStatus ends a command with a status and no message.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run executes the command line and returns the exit status.
func run(ctx context.Context, s system) int {
	root := newRoot(&s)
	root.SetArgs(s.args)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	called, err := root.ExecuteContextC(ctx)
	var status exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
	fmt.Fprintf(s.stderr, "%s: %s\n", called.CommandPath(), plan.Printable(text))
	if config.IsInput(err) || redirect.IsUntouched(err) {
		return exitRejected
	}
	return exitFailed
}

func newRoot(s *system) *cobra.Command {
	help := cli.Help{Width: func() int { return cli.Width(s.stdout) }, Variable: func(string) string { return "" }}
	if filepath.Base(s.name) == agent.RepairControllerName {
		return help.Bind(cli.Finish(newRepairController(s)))
	}
	root := &cobra.Command{
		Use:   "shunt-agent",
		Short: "shunt-agent puts shunt's CNI plugin on a node and keeps it there",
		Long: `shunt-agent puts shunt's CNI plugin on a node and keeps it there. Called
with no arguments at all it is shunt-agent run.

Every flag is also a variable, SHUNT_AGENT_ and its name: SHUNT_AGENT_MODE for
--mode. The variables of Linkerd's installer are read as well.`,
	}
	for _, c := range []*cobra.Command{newRun(s), newInstall(s), newUninstall(s), newStatus(s), newPod(s), newVersion(s)} {
		root.AddCommand(cli.Finish(c))
	}
	cli.BindVersion(root, "shunt-agent", versionString(), s.stdout)
	if len(s.args) == 0 {
		s.args = []string{"run"}
	}
	cli.NameShells(root)
	if cli.Completing(s.args) {
		cli.Complete(root)
	}
	return help.Bind(cli.Finish(root))
}

// input is an error of the request: nothing was touched.
func input(format string, args ...any) error {
	return &config.InputError{Err: fmt.Errorf(format, args...)}
}
