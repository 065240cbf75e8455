package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"shunt/apply"
	"shunt/cli"
	"shunt/config"
	"shunt/explain"
	"shunt/redirect"
)

// statusRun is one call of `shunt status`.
type statusRun struct {
	request
	workloads workloads
	target    target
	format    string
}

func newStatus(s *system) *cobra.Command {
	r := &statusRun{}
	cmd := &cobra.Command{
		Use:   "status [flags]",
		Short: "show one namespace at a glance, and what to do",
		Long: `Show what there is in a network namespace: whose rules, since which version and
plan, each with its counter; whether they are still what was written, or with
settings given whether they are those of the settings; whether IPv6 is covered;
what other backends hold besides; and which chains of other tables can decide
before or after. The exit status is 0 if everything is in order, 1 if something is
not, 2 for trouble. Nothing is written. It needs CAP_NET_ADMIN.`,
		Example: `  sudo shunt status --netns /run/netns/pod1
  sudo shunt status --pid 4711 -o json
  sudo shunt status --pid 4711 -f app.yaml --workload Deployment/web`,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	cli.BindOutput(cmd.Flags(), &r.format, "what is printed", formatText, formatJSON)
	r.target.bind(cmd.Flags())
	r.workloads.bind(cmd.Flags())
	r.bind(cmd, s)
	return cmd
}

func (r *statusRun) run(cmd *cobra.Command) error {
	req, err := r.workloads.one(cmd, &r.request)
	if err != nil {
		return err
	}
	rules, done, err := req.rules(&r.target)
	if err != nil {
		return err
	}
	defer done()
	s, err := r.look(cmd.Context(), req, rules)
	if err != nil {
		return err
	}
	if r.format == formatJSON {
		err = writeJSON(r.sys.stdout, s)
	} else {
		err = s.WriteText(r.sys.stdout, r.sys.screen())
	}
	if err == nil && s.Verdict != explain.InOrder {
		err = exitStatus(exitFailed)
	}
	return err
}

func (r *statusRun) look(ctx context.Context, req *resolved, rules *redirect.Rules) (*explain.Status, error) {
	found, err := rules.Live(ctx)
	if err != nil {
		return nil, err
	}
	var against *apply.Comparison
	if req.givesRules() {
		c, err := rules.Compare(ctx)
		if err != nil {
			return nil, err
		}
		against = &c
	}
	with := r.target.String() + " with the pod's settings"
	return explain.NewStatus(&found, against, explain.Remedies{Apply: "shunt init" + with, Diff: "shunt diff" + with}), nil
}

// givesRules reports whether anything that decides about the rules was given.
func (r *resolved) givesRules() bool {
	return slices.ContainsFunc(config.Settings(), func(s config.Setting) bool {
		return decides(&s) && r.cfg.Sources.Of(s.Name) != config.Default
	})
}

// decides reports whether a setting says which rules there are, and not only how
// they get there.
func decides(s *config.Setting) bool {
	return !slices.Contains([]string{"backend", "iptables-mode", "lock-timeout", "timeout-close-wait-secs"}, s.Name)
}

// String returns the flags that name the target again, after a space.
func (t *target) String() string {
	switch {
	case t.given("netns"):
		return " --netns " + t.path
	case t.given("pid"):
		return " --pid " + t.pid
	}
	return ""
}
