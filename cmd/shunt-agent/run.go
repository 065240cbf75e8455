package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/agent"
	"shunt/agent/repair"
	"shunt/cli"
	"shunt/facts"
	"shunt/logging"
)

// defaultHealth is where the agent answers probes. The address is the host's,
// since the agent has the host's network.
const defaultHealth = "127.0.0.1:9991"

// runFlags are the flags that only run has.
type runFlags struct {
	node, daemonSet         string
	onTerm                  string
	repair                  string
	evict                   bool
	netnsDir, proc          string
	healthAddr, metricsAddr string
	facts                   bool
	runDir                  string
}

func (r *runFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&r.node, "node", "", "the node's `name` (default: that of the agent's own pod)")
	fs.StringVar(&r.daemonSet, "daemonset", "", "`name` of the agent's DaemonSet (default: the owner of its own pod)")
	cli.Choice(fs, &r.onTerm, "on-term", "", "whether to take the plugin out when told to end: auto, if the DaemonSet is deleted or no longer selects the node; revert, always; keep, never", string(agent.OnTermAuto), string(agent.OnTermRevert), string(agent.OnTermKeep))
	cli.Choice(fs, &r.repair, "repair", "", "what is done about pods that started without rules: in-place, write them if no application container has started, and report the others; report; off, look at none", string(repair.InPlace), string(repair.Report), string(repair.Off))
	fs.BoolVar(&r.evict, "evict", false, "evict pods that run without rules, one in 10 s")
	netnsFlags(fs, &r.netnsDir, &r.proc)
	fs.BoolVar(&r.facts, "facts", true, "tell plugins about pods, at a socket, where the container runtime does not")
	fs.StringVar(&r.runDir, "run-dir", facts.Folder, "the node's `folder` for that socket, mounted at the same path in a pod")
	healthFlag(fs, &r.healthAddr)
	fs.StringVar(&r.metricsAddr, "metrics-addr", "", "`address` for /metrics (default: none)")
}

// netnsFlags say where pods' network namespaces are.
func netnsFlags(fs *pflag.FlagSet, folder, proc *string) {
	fs.StringVar(folder, "netns-dir", "/run/netns", "`folder` where the container runtime keeps pods' network namespaces")
	fs.StringVar(proc, "proc", "", "the node's /proc `folder`, where a namespace that is not in the folder is looked for (default: nowhere)")
}

func healthFlag(fs *pflag.FlagSet, addr *string) {
	fs.StringVar(addr, "health-addr", defaultHealth, "`address` for /live and /ready")
}

func newRun(s *system) *cobra.Command {
	var o options
	var l logging.Flags
	var r runFlags
	cmd := &cobra.Command{
		Use:   "run [flags]",
		Short: "install the plugin and keep it installed, until a signal",
	}
	o.folders(cmd.Flags())
	o.plugin(cmd.Flags())
	r.bind(cmd.Flags())
	l.Bind(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd.Flags(), s.lookupEnv); err != nil {
			return err
		}
		log, err := l.Open(s.stderr)
		if err != nil {
			return err
		}
		if r.evict && r.repair == string(repair.Off) {
			return input("flag --evict: it needs --repair in-place or report: pods that nobody looks at are not evicted")
		}
		installer, err := o.install(s)
		if err != nil {
			return err
		}
		kube, err := agent.InCluster("shunt-agent/" + versionString())
		if err != nil {
			log.Warn("the API server is not talked to", "err", err)
		}
		return agent.Run(cmd.Context(), agent.Config{
			Install: installer, Kube: kube, Node: r.node, Namespace: o.namespace, DaemonSet: r.daemonSet, OnTerm: agent.OnTerm(r.onTerm),
			Repair:     agent.Repair{Mode: repair.Mode(r.repair), Evict: r.evict, Netns: r.netnsDir, Proc: r.proc},
			HealthAddr: r.healthAddr, MetricsAddr: r.metricsAddr, Version: versionString(), Idle: o.idle(),
			RunDir: r.runDir, NoFacts: r.noFacts(&o),
		}, log)
	}
	return cmd
}

// noFacts says why plugins on the node get no facts about pods from this agent,
// "" if they do.
func (r *runFlags) noFacts(o *options) string {
	switch {
	case !r.facts:
		return "--facts is false"
	case o.hostPrefix != "" && filepath.Join("/", o.hostPrefix) != "/" && !mounted(r.runDir):
		return fmt.Sprintf("%s is not the node's: it is not mounted", r.runDir)
	}
	return ""
}

// mounted reports whether something is mounted at a folder.
func mounted(dir string) bool {
	var here, above syscall.Stat_t
	return syscall.Stat(dir, &here) == nil && syscall.Stat(filepath.Dir(dir), &above) == nil && here.Dev != above.Dev
}

// idle says why there is nothing to install: a container without the node's
// folders, as Linkerd's chart starts one in some of its settings.
func (o *options) idle() string {
	prefix := filepath.Join("/", o.hostPrefix)
	if _, err := os.Stat(prefix); err == nil || prefix == "/" {
		return ""
	}
	return fmt.Sprintf("%s does not exist: the node's folders are not mounted", prefix)
}
