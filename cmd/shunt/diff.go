package main

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"shunt/apply"
	"shunt/cli"
)

// diffRun is one call of `shunt diff`.
type diffRun struct {
	request
	target target
	format string
}

func newDiff(s *system) *cobra.Command {
	r := &diffRun{}
	cmd := &cobra.Command{
		Use:   "diff [flags]",
		Short: "compare the live rules with the plan",
		Long: `Compare the rules that the kernel holds with those that shunt init would apply
with the same flags, as a unified diff: a minus is live and should not be, a
plus is missing. The exit status is 0 without a difference, 1 with one, 2 for
trouble. Nothing is written. It needs CAP_NET_ADMIN.`,
		Example: `  shunt diff --skip-outbound-ports 3306
  sudo shunt diff --pid 4711 -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context()) },
	}
	cli.BindOutput(cmd.Flags(), &r.format, "what is printed; text is a unified diff", formatText, formatJSON)
	r.bind(cmd, s)
	r.target.bind(cmd.Flags())
	return cmd
}

func (r *diffRun) run(ctx context.Context) error {
	req, err := r.resolve(ctx)
	if err != nil {
		return err
	}
	rules, done, err := req.rules(&r.target)
	if err != nil {
		return err
	}
	defer done()
	c, err := rules.Compare(ctx)
	if err != nil {
		return err
	}
	if err := r.write(c); err != nil {
		return err
	}
	if !c.Equal() {
		return exitStatus(exitFailed)
	}
	return nil
}

func (r *diffRun) write(c apply.Comparison) error {
	if r.format != formatJSON {
		_, err := io.WriteString(r.sys.stdout, c.Text())
		return err
	}
	enc := json.NewEncoder(r.sys.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Backend apply.ID       `json:"backend"`
		Equal   bool           `json:"equal"`
		Changes []apply.Change `json:"changes"`
	}{c.Backend, c.Equal(), c.Changes()})
}
