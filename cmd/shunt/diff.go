package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/cli"
	"shunt/explain"
)

// diffRun is one call of `shunt diff`.
type diffRun struct {
	request
	workloads workloads
	target    target
	format    string
	semantic  bool
}

func newDiff(s *system) *cobra.Command {
	r := &diffRun{}
	cmd := &cobra.Command{
		Use:   "diff [flags]",
		Short: "compare the live rules with the plan",
		Long: `Compare the rules that the kernel holds with those that shunt init would apply
with the same flags, or with -f with those of a workload's manifest. The first
line says what differs; a unified diff follows: a minus is live and should not be,
a plus is missing. With --semantic, rules that do the same to every connection,
as those of Linkerd's proxy-init for the same settings, are no difference. The exit
status is 0 without a difference, 1 with one, 2 for trouble. Nothing is written.
It needs CAP_NET_ADMIN.`,
		Example: `  shunt diff --skip-outbound-ports 3306
  sudo shunt diff --pid 4711 -o json
  sudo shunt diff --pid 4711 -f app.yaml --workload Deployment/web --semantic`,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	cli.BindOutput(cmd.Flags(), &r.format, "what is printed; text is a unified diff", formatText, formatJSON)
	bindSemantic(cmd.Flags(), &r.semantic)
	r.target.bind(cmd.Flags())
	r.workloads.bind(cmd.Flags())
	r.bind(cmd, s)
	return cmd
}

func (r *diffRun) run(cmd *cobra.Command) error {
	req, err := r.workloads.one(cmd, &r.request)
	if err != nil {
		return err
	}
	rules, done, err := req.rules(&r.target)
	if err != nil {
		return err
	}
	defer done()
	c, err := rules.Compare(cmd.Context())
	if err != nil {
		return err
	}
	d := explain.NewDifference(&c)
	if r.format == formatJSON {
		err = writeJSON(r.sys.stdout, d)
	} else {
		err = d.WriteText(r.sys.stdout, r.sys.screen(), r.semantic)
	}
	if err == nil && !d.None(r.semantic) {
		err = exitStatus(exitFailed)
	}
	return err
}

// bindSemantic defines --semantic.
func bindSemantic(fs *pflag.FlagSet, semantic *bool) {
	fs.BoolVar(semantic, "semantic", false, "ignore differences that change what happens to no connection")
}
