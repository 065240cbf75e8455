package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/agent"
	"shunt/agent/repair"
	"shunt/apply"
	"shunt/cli"
	"shunt/cni"
	"shunt/explain"
	"shunt/facts"
	"shunt/logging"
	"shunt/plan"
	"shunt/pods"
	"shunt/redirect"
)

// podRun is one call of `shunt-agent pod`.
type podRun struct {
	*system
	options
	log            logging.Flags
	netnsDir, proc string
	runDir         string
	format         string
	semantic       bool
	force          bool
	connection     explain.Description
	flags          *pflag.FlagSet
}

// podActions are what can be done with a pod, and the flags that only one has.
func podActions() map[string][]string {
	return map[string][]string{
		"status":  nil,
		"diff":    {"semantic"},
		"explain": {"from", "to", "port", "uid", "gid", "proto"},
		"repair":  {"force"},
	}
}

func newPod(s *system) *cobra.Command {
	r := &podRun{system: s}
	cmd := &cobra.Command{
		Use:   "pod NAMESPACE/NAME status|diff|explain|repair [inbound|outbound] [flags]",
		Short: "look at the rules of a pod of this node, or write them",
		Long: `Look at the rules in the network namespace of a pod of this node: status shows
them at a glance, diff compares them with those that the plugin would write,
explain says which of them decides one connection, and repair writes those that
the plugin would write. A pod whose application has started is repaired with
--force only, since that resets its connections. The exit status is 0 if all is in
order, 1 if something is not, 2 for trouble.`,
		Example: `  shunt-agent pod shop/web-0 status
  shunt-agent pod shop/web-0 explain outbound --to 10.0.0.5:3306
  kubectl -n linkerd-cni exec AGENT -- /shunt-agent pod shop/web-0 diff`,
		Args: cobra.ArbitraryArgs, // run says which is missing
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	fs := cmd.Flags()
	r.flags = fs
	fs.StringVar(&r.config, "config", "", "the plugin's entry, as `JSON` (default: Linkerd's standard values)")
	fs.StringVar(&r.namespace, "namespace", "", "the agent's `namespace`, which the plugin leaves alone (default: the service account's)")
	netnsFlags(fs, &r.netnsDir, &r.proc)
	fs.StringVar(&r.runDir, "run-dir", facts.Folder, "the agent's `folder`, for what it knew last of the pod while the API server does not answer")
	cli.BindOutput(fs, &r.format, "what is printed", "text", "json")
	fs.BoolVar(&r.semantic, "semantic", false, "diff: ignore differences that change what happens to no connection")
	fs.BoolVar(&r.force, "force", false, "repair: also a pod whose application has started")
	cli.BindConnection(fs, &r.connection)
	r.log.Bind(fs)
	return cmd
}

func (r *podRun) run(ctx context.Context, args []string) error {
	force, given := r.force, r.flags.Changed("force") // SHUNT_AGENT_FORCE is the installer's
	if err := fromEnv(r.flags, r.lookupEnv); err != nil {
		return err
	}
	r.force = force
	id, action, err := r.what(args, given)
	if err != nil {
		return err
	}
	question, err := r.question(action)
	if err != nil {
		return err
	}
	p, err := r.open(ctx, id)
	if err != nil {
		return redirect.Untouched{Err: err}
	}
	defer p.Close()
	switch action {
	case "status":
		return r.status(ctx, p)
	case "explain":
		return r.explain(ctx, p, question)
	}
	if p.Decision != cni.Meshed {
		return input("pod %s has no rules to be held against: %s", p, p.Decision)
	}
	if action == "diff" {
		return r.diff(ctx, p)
	}
	return r.repair(ctx, p)
}

// what reads the arguments, and refuses flags of another action.
func (r *podRun) what(args []string, force bool) (id pods.ID, action string, err error) {
	const want = "want such as shunt-agent pod shop/web-0 status"
	if len(args) < 2 {
		return id, "", input("which pod, and what about it? %s", want)
	}
	namespace, name, ok := strings.Cut(args[0], "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return id, "", input("%q is not a pod's namespace and name: %s", args[0], want)
	}
	action = args[1]
	if _, known := podActions()[action]; !known {
		return id, "", input("%q is nothing that can be done with a pod: want status, diff, explain or repair", action)
	}
	rest := args[2:]
	if action == "explain" && len(rest) > 0 {
		r.connection.Direction, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return id, "", input("unexpected argument %q: see shunt-agent pod --help", rest[0])
	}
	for of, flags := range podActions() {
		for _, flag := range flags {
			if of != action && (r.flags.Changed(flag) && flag != "force" || flag == "force" && force) {
				return id, "", cli.BadFlag(flag, "it is for %s: leave it out", of)
			}
		}
	}
	return pods.ID{Namespace: namespace, Name: name}, action, nil
}

func (r *podRun) question(action string) (*explain.Question, error) {
	if action != "explain" {
		return nil, nil
	}
	return cli.Question(&r.connection, "shunt-agent pod shop/web-0 explain outbound --to 10.0.0.5:3306")
}

// open finds the pod and opens its network namespace.
func (r *podRun) open(ctx context.Context, id pods.ID) (*agent.NodePod, error) {
	log, err := r.log.Open(r.stderr)
	if err != nil {
		return nil, err
	}
	entry, err := r.entry(r.system)
	if err != nil {
		return nil, input("%v", err)
	}
	kube, err := agent.InCluster("shunt-agent/" + versionString())
	if err != nil {
		log.Debug("no API server", "err", err)
	}
	return agent.OpenPod(ctx, agent.PodConfig{
		Kube: kube, Entry: entry, Locator: &repair.Locator{Folder: r.netnsDir, Proc: r.proc}, Snapshot: r.runDir,
		Version: versionString(), Log: log,
	}, id)
}

func (r *podRun) status(ctx context.Context, p *agent.NodePod) error {
	found, err := p.Rules.Live(ctx)
	if err != nil {
		return err
	}
	var against *apply.Comparison
	if p.Decision == cni.Meshed {
		c, err := p.Rules.Compare(ctx)
		if err != nil {
			return err
		}
		against = &c
	}
	self := "shunt-agent pod " + p.String()
	s := explain.NewStatus(&found, against, explain.Remedies{Apply: self + " repair", Diff: self + " diff"})
	if r.format == "json" {
		err = r.json(s)
	} else {
		err = s.WriteText(r.stdout, cli.Screen(r.stdout, r.lookupEnv))
	}
	if err == nil && s.Verdict != explain.InOrder {
		err = exitStatus(exitFailed)
	}
	return err
}

func (r *podRun) diff(ctx context.Context, p *agent.NodePod) error {
	c, err := p.Rules.Compare(ctx)
	if err != nil {
		return err
	}
	d := explain.NewDifference(&c)
	if r.format == "json" {
		err = r.json(d)
	} else {
		err = d.WriteText(r.stdout, cli.Screen(r.stdout, r.lookupEnv), r.semantic)
	}
	if err == nil && !d.None(r.semantic) {
		err = exitStatus(exitFailed)
	}
	return err
}

func (r *podRun) explain(ctx context.Context, p *agent.NodePod, q *explain.Question) error {
	found, err := p.Rules.Live(ctx)
	if err != nil {
		return err
	}
	var interfaces []explain.Interface
	if err := p.NS.Do(func() (err error) { interfaces, err = cli.UpInterfaces(); return err }); err != nil {
		return redirect.Untouched{Err: err}
	}
	e := explain.Live(q, &found, interfaces)
	e.Workload = "pod " + p.String()
	if r.format == "json" {
		return r.json(e)
	}
	return e.WriteText(r.stdout, cli.Screen(r.stdout, r.lookupEnv))
}

func (r *podRun) repair(ctx context.Context, p *agent.NodePod) error {
	changed, err := p.Repair(ctx, r.force)
	if errors.Is(err, agent.ErrRuns) {
		return input("%v: --force does it anyway, deleting the pod has a new one made", err)
	}
	if err != nil {
		return err
	}
	text := "the rules were right already"
	if changed {
		text = "wrote the rules, and verified them"
	}
	if r.format == "json" {
		return r.json(map[string]bool{"changed": changed})
	}
	_, err = fmt.Fprintf(r.stdout, "pod %s: %s\n", plan.Printable(p.String()), text)
	return err
}

func (r *podRun) json(v any) error {
	enc := json.NewEncoder(r.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
