package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/cli"
	"shunt/config"
	"shunt/explain"
	"shunt/plan"
)

// pluginVerbs are the verbs of `kubectl shunt`.
func pluginVerbs() []verb {
	return []verb{
		{"status", "show a pod's rules at a glance, and what to do", newPodStatus},
		{"explain", "say which rule decides one connection of a workload, and why", newClusterExplain},
		{"plan", "print the rules that a workload's pods get", newClusterPlan},
		{"diff", "compare a pod's live rules with those that it should have", newPodDiff},
		{"lint", "find what is wrong in what the cluster has", newClusterLint},
		{"version", "print the version", newVersion},
	}
}

const pluginHelp = `kubectl shunt shows what shunt does to the connections of a cluster's pods. What
it asks the cluster, it asks by kubectl. Status, diff and explain --live look into
the pod's network namespace, by the agent on its node or, where there is none, by
an ephemeral container.

Examples:
  kubectl shunt status web-0                                   how a pod stands
  kubectl shunt explain deploy/web outbound --to 10.0.0.5:3306 what becomes of one connection
  kubectl shunt explain web-0 inbound --port 80 --live         the same, by the live rules
  kubectl shunt plan deploy/web -o table                       what its pods get
  kubectl shunt diff web-0                                     what differs from that
  kubectl shunt lint -n shop                                   what is wrong in a namespace`

func newClusterPlan(s *system) *cobra.Command {
	cmd := newPlan(s)
	cmd.Use = "plan TYPE/NAME [flags]"
	cmd.Long = `Print the rules that a workload's pods get, by its annotations and its
namespace's on top of the flags. With -o table, also print where every value came
from. The pods are not looked at.`
	cmd.Example = `  kubectl shunt plan deploy/web -o table
  kubectl shunt plan pod/web-0 -n shop -o nft`
	k, inner := ofCluster(cmd, s), cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errWhich("workload", "kubectl shunt plan deploy/web")
		}
		if err := k.readWorkload(cmd, args[0]); err != nil {
			return err
		}
		return inner(cmd, nil)
	}
	return cmd
}

func newClusterExplain(s *system) *cobra.Command {
	cmd := newExplain(s)
	cmd.Use = "explain TYPE/NAME inbound|outbound [flags]"
	cmd.Long = `Say what happens to one connection of a workload's pods: which rule decides it,
where it ends, and which setting would change that. With --live, by the rules that
the kernel holds in a pod's network namespace.`
	cmd.Example = `  kubectl shunt explain deploy/web outbound --uid 1000 --to 10.0.0.5:3306
  kubectl shunt explain web-0 inbound --from 10.1.2.3 --port 8080 --live`
	k, inner := ofCluster(cmd, s), cmd.RunE
	live := podLook{kubectl: k}
	live.bindImage(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		directions := []string{plan.Inbound.String(), plan.Outbound.String()}
		i := slices.IndexFunc(args, func(a string) bool { return slices.Contains(directions, a) })
		switch {
		case i < 0 && len(args) == 2:
			return &config.InputError{Err: fmt.Errorf("neither %s nor %s is a direction: want %s", config.Quote(args[0]), config.Quote(args[1]), strings.Join(directions, " or "))}
		case len(args) != 2:
			return errWhich("workload, and which direction", "kubectl shunt explain deploy/web outbound --to 10.0.0.5:3306")
		}
		name, direction := args[1-i], args[i]
		if on, _ := cmd.Flags().GetBool("live"); on {
			return live.look(cmd.Context(), name, "explain", explainFlags(cmd.Flags(), direction))
		}
		if err := k.readWorkload(cmd, name); err != nil {
			return err
		}
		return inner(cmd, []string{direction})
	}
	return cmd
}

// explainFlags are the words that ask the same of an explain somewhere else.
func explainFlags(fs *pflag.FlagSet, direction string) []string {
	words := []string{direction}
	for _, name := range []string{"from", "to", "port", "uid", "gid", "proto", "output"} {
		if f := fs.Lookup(name); f.Changed {
			words = append(words, "--"+name+"="+f.Value.String())
		}
	}
	return words
}

func newClusterLint(s *system) *cobra.Command {
	cmd := newLint(s)
	cmd.Use = "lint [TYPE/NAME]... [flags]"
	cmd.Long = `Find mistakes in what the cluster has: of the workloads that are named, or of all
workloads, Services and NetworkPolicies of the namespace. Each finding says what to
write instead. The exit status is 0 without findings of --severity or worse, 1 with
some, 2 for trouble.`
	cmd.Example = `  kubectl shunt lint -n shop
  kubectl shunt lint deploy/web service/web --severity warning`
	k, inner := ofCluster(cmd, s), cmd.RunE
	hidden(cmd.Flags(), "recursive")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		for i := range args {
			args[i] = typed(args[i])
		}
		if len(args) == 0 {
			args = []string{"deployments,statefulsets,daemonsets,jobs,cronjobs,services,networkpolicies"}
		}
		if s.stdin, _, err = k.manifests(cmd.Context(), args...); err != nil {
			return err
		}
		return inner(cmd, []string{"-"})
	}
	return cmd
}

func newPodStatus(s *system) *cobra.Command {
	return newPodLook(s, &cobra.Command{
		Use: "status POD [flags]",
		Long: `Show a pod's network namespace at a glance: whose rules it has, since which
version and plan, each with its counter; whether they are those that the pod should
have; and what to do. The exit status is 0 if everything is in order, 1 if something
is not, 2 for trouble; always 0 from an ephemeral container that could look.`,
		Example: `  kubectl shunt status web-0
  kubectl shunt status deploy/web -n shop -o json`,
	})
}

func newPodDiff(s *system) *cobra.Command {
	return newPodLook(s, &cobra.Command{
		Use: "diff POD [flags]",
		Long: `Compare a pod's live rules with those that it should have, by its annotations and
its init container or the node's configuration. With --semantic, rules that do the
same to every connection are no difference. The exit status is 0 without a
difference, 1 with one, 2 for trouble; always 0 from an ephemeral container that
could look.`,
		Example: `  kubectl shunt diff web-0
  kubectl shunt diff pod/web-0 -n shop -o json`,
	})
}

// newPodLook finishes a verb that looks into one pod.
func newPodLook(s *system, cmd *cobra.Command) *cobra.Command {
	p := podLook{kubectl: &kubectl{sys: s}}
	fs, format, semantic := cmd.Flags(), "", false
	cli.BindOutput(fs, &format, "what is printed", formatText, formatJSON)
	if cmd.Name() == "diff" {
		bindSemantic(fs, &semantic)
	}
	p.bind(fs)
	p.bindImage(fs)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errWhich("pod", cmd.CommandPath()+" web-0")
		}
		words, show := []string{"--output=" + format}, func(text []byte) []byte { return text }
		if semantic {
			words = append(words, "--semantic")
		}
		remote := words
		switch {
		case format != formatText:
		case cmd.Name() == "status": // it is here that the terminal is
			remote, show = []string{"--output=" + formatJSON}, p.showStatus
		default:
			show = func(text []byte) []byte { return []byte(s.screen().Diff(string(text))) }
		}
		return p.lookFor(cmd.Context(), args[0], cmd.Name(), words, remote, show)
	}
	return cmd
}

// showStatus writes a status that came as JSON for the reader's terminal, with the
// commands that the reader has. What is not understood is shown as it came.
func (p *podLook) showStatus(text []byte) []byte {
	s := &explain.Status{}
	if err := json.Unmarshal(text, s); err != nil || s.Verdict == "" {
		return text
	}
	if p.by != nil {
		on := strings.NewReplacer(
			"shunt-agent pod "+p.of.String()+" diff", "kubectl shunt diff "+p.of.Metadata.Name+" -n "+p.of.Metadata.Namespace,
			"shunt-agent pod ", "kubectl exec -n "+p.by.Metadata.Namespace+" "+p.by.Metadata.Name+" -- "+agentProgram+" pod ")
		for i := range s.Next {
			s.Next[i] = on.Replace(s.Next[i])
		}
	}
	var b bytes.Buffer
	if err := s.WriteText(&b, p.sys.screen()); err != nil {
		return text
	}
	return b.Bytes()
}

// ofCluster makes a verb one that reads what the cluster has in the place of files.
func ofCluster(cmd *cobra.Command, s *system) *kubectl {
	for _, name := range []string{"filename", "workload", "netns", "pid", "annotations-file"} {
		if f := cmd.Flags().Lookup(name); f != nil {
			f.Hidden = true
		}
	}
	k := &kubectl{sys: s}
	k.bind(cmd.Flags())
	cmd.Args = cobra.ArbitraryArgs
	return k
}

// readWorkload makes a workload of the cluster the one that the verb is about.
func (k *kubectl) readWorkload(cmd *cobra.Command, name string) error {
	list, workload, err := k.manifests(cmd.Context(), typed(name))
	if err != nil {
		return err
	}
	k.sys.stdin = list
	return errors.Join(cmd.Flags().Set("filename", "-"), cmd.Flags().Set("workload", workload))
}

// errWhich is the error of a verb that was not told what to look at.
func errWhich(what, example string) error {
	return &config.InputError{Err: fmt.Errorf("which %s? for example: %s", what, example)}
}
