package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"shunt/agent/install"
	"shunt/plan"
)

func newStatus(s *system) *cobra.Command {
	var o options
	var health string
	cmd := &cobra.Command{
		Use:   "status [flags]",
		Short: "say what is installed on this node, and whether it is chained; exit status 1 if it is not ready",
	}
	o.folders(cmd.Flags())
	cmd.Flags().StringVar(&o.confName, "conf-name", "", "`file` in the net dir to look at (default: the one that the runtime uses)")
	healthFlag(cmd.Flags(), &health)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd.Flags(), s.lookupEnv); err != nil {
			return err
		}
		o.withoutPod(cmd.Flags())
		look := install.LookAt(o.onNode(o.netDir), o.onNode(o.binDir), o.confName)
		answer, ready := askAgent(health, "/ready")
		facts, known := askAgent(health, "/facts")
		if !known {
			facts = "" // an older agent
		}
		if err := printStatus(s.stdout, look, health, strings.TrimSpace(answer), ready, strings.TrimSpace(facts)); err != nil {
			return err
		}
		if !look.Ready() || answer != "" && !ready {
			return exitStatus(exitFailed)
		}
		return nil
	}
	return cmd
}

// printStatus writes a line for each thing that there is to know.
func printStatus(to io.Writer, l install.Look, addr, answer string, ready bool, facts string) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, plan.Printable(fmt.Sprintf(format, args...)))
	}
	if l.File == "" {
		line("Network", "none in %s", l.NetDir)
	} else {
		line("Network", "%s of %s/%s", l.Network, l.NetDir, l.File)
		line("Plugins", "%s", strings.Join(l.Plugins, ", "))
	}
	if len(l.Others) > 0 {
		line("Not used", "%s: the first file by name counts", strings.Join(l.Others, ", "))
	}
	if l.Binary != "" {
		line("Binary", "%s, %s", l.Binary, cmp.Or(l.BinaryIs, "as installed"))
	}
	if l.NotChained == "" {
		line("Chained", "yes, mode %s", l.Mode)
	} else {
		line("Chained", "no: %s", l.NotChained)
	}
	switch {
	case answer == "":
		line("Agent", "no answer at %s", addr)
	case ready:
		line("Agent", "ready")
	default:
		line("Agent", "not ready: %s", answer)
	}
	if facts != "" {
		line("Facts", "%s", facts)
	}
	return w.Flush()
}
