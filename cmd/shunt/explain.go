package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/cli"
	"shunt/config"
	"shunt/explain"
	"shunt/plan"
)

// The format that explain alone has, and how wide it is in pixels.
const (
	formatSVG = "svg"
	svgWidth  = 640
)

// explainRun is one call of `shunt explain`.
type explainRun struct {
	request
	workloads workloads
	target    target
	live      bool
	format    string

	connection explain.Description
}

func newExplain(s *system) *cobra.Command {
	r := &explainRun{}
	cmd := &cobra.Command{
		Use:   "explain inbound|outbound [flags]",
		Short: "say which rule decides one connection, and why",
		Long: `Say what happens to one connection of a pod: which rule decides it, where it
ends, and which setting would change that. The rules are those of the flags,
or with -f of a workload's manifest, or with --live those that the kernel holds.
Nothing is written. Only --live needs CAP_NET_ADMIN.`,
		Example: `  shunt explain outbound --uid 1000 --to 10.0.0.5:3306
  shunt explain inbound --from 10.1.2.3 --port 8080 -f app.yaml --workload Deployment/web
  sudo shunt explain outbound --to 10.0.0.5:3306 --live --netns /run/netns/pod1`,
		Args:      cobra.ArbitraryArgs, // question says which is missing
		ValidArgs: []string{plan.Inbound.String(), plan.Outbound.String()},
		RunE:      func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	fs := cmd.Flags()
	cli.BindConnection(fs, &r.connection)
	cli.BindOutput(fs, &r.format, "what is printed; svg is a drawing, for documents, mermaid a flowchart, which GitHub draws", formatText, formatJSON, formatSVG, formatMermaid)
	fs.BoolVar(&r.live, "live", false, "explain by the live rules of a network namespace, with their packet counters")
	r.target.bind(fs)
	r.workloads.bind(fs)
	r.bind(cmd, s)
	return cmd
}

func (r *explainRun) run(cmd *cobra.Command, args []string) error {
	if err := r.workloads.check(cmd.Flags()); err != nil {
		return err
	}
	ignored := givenSetting(cmd.Flags())
	switch {
	case r.live && r.workloads.files != nil:
		return cli.BadFlag("live", "it cannot be combined with -f, as live rules do not come from manifests: give one of them")
	case r.live && ignored != "":
		return cli.BadFlag(ignored, "live rules do not come from settings: leave it out, or --live")
	case r.live && r.format == formatSVG:
		return cli.BadFlag("output", "svg draws the rules of a configuration: leave out --live")
	case len(args) == 1 && args[0] == plan.Inbound.String() && (cmd.Flags().Changed("uid") || cmd.Flags().Changed("gid")):
		return cli.BadFlag("uid", "it and --gid are those of the process that connects, outbound: leave them out")
	case !r.live && (r.target.given("netns") || r.target.given("pid")):
		return cli.BadFlag("netns", "it and --pid apply to live rules: give --live as well")
	}
	q, err := r.question(args)
	if err != nil {
		return err
	}
	e, err := r.explain(cmd, q)
	if err != nil {
		return err
	}
	switch r.format {
	case formatJSON:
		return writeJSON(r.sys.stdout, e)
	case formatMermaid:
		return e.WriteMermaid(r.sys.stdout)
	case formatSVG:
		return e.WriteSVG(r.sys.stdout, svgWidth)
	}
	return e.WriteText(r.sys.stdout, r.sys.screen())
}

// givenSetting returns the first flag that was given and that says which rules to
// write, "" if none was.
func givenSetting(fs *pflag.FlagSet) (name string) {
	settings := config.Settings()
	fs.Visit(func(f *pflag.Flag) {
		_, is := config.Find(settings, f.Name)
		if is = is || f.Name == "config" || f.Name == "annotations-file"; is && name == "" {
			name = f.Name
		}
	})
	return name
}

func (r *explainRun) explain(cmd *cobra.Command, q *explain.Question) (*explain.Explanation, error) {
	if r.workloads.files != nil {
		list, _, err := r.workloads.resolve(&r.request, true)
		if err != nil {
			return nil, err
		}
		s := &list[0]
		e := explain.NotInjected(q, strings.Join(s.Not, "; "))
		if s.Injected {
			e = explain.Plan(q, &s.cfg)
		}
		e.Workload = s.Object.String()
		return e, nil
	}
	req, err := r.resolve()
	if err != nil {
		return nil, err
	}
	if r.live {
		return r.explainLive(cmd.Context(), req, q)
	}
	return explain.Plan(q, &req.cfg), nil
}

// question reads what describes the connection.
func (r *explainRun) question(args []string) (*explain.Question, error) {
	if len(args) == 1 {
		r.connection.Direction = args[0]
	}
	return cli.Question(&r.connection, "shunt explain outbound --to 10.0.0.5:3306")
}
