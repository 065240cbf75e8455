package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shunt/agent"
	"shunt/cli"
	"shunt/logging"
)

// defaultHealth is where the agent answers probes. The address is the host's,
// since the agent has the host's network.
const defaultHealth = "127.0.0.1:9991"

// runFlags are the flags that only run has.
type runFlags struct {
	node, daemonSet         string
	onTerm                  string
	healthAddr, metricsAddr string
}

func (r *runFlags) bind(fs *pflag.FlagSet) {
	fs.StringVar(&r.node, "node", "", "the node's name (default: that of the agent's own pod)")
	fs.StringVar(&r.daemonSet, "daemonset", "", "the agent's DaemonSet (default: the owner of its own pod)")
	cli.Choice(fs, &r.onTerm, "on-term", "", "whether to take the plugin out when told to end: auto, if the DaemonSet is deleted or no longer selects the node; revert, always; keep, never", string(agent.OnTermAuto), string(agent.OnTermRevert), string(agent.OnTermKeep))
	healthFlag(fs, &r.healthAddr)
	fs.StringVar(&r.metricsAddr, "metrics-addr", "", "address for /metrics (default: none)")
}

func healthFlag(fs *pflag.FlagSet, addr *string) {
	fs.StringVar(addr, "health-addr", defaultHealth, "address for /live and /ready")
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
		installer, err := o.install(s)
		if err != nil {
			return err
		}
		kube, err := agent.InCluster("shunt-agent/" + versionString())
		if err != nil {
			log.Debug("no API server", "err", err)
		}
		return agent.Run(cmd.Context(), agent.Config{
			Install: installer, Kube: kube, Node: r.node, Namespace: o.namespace, DaemonSet: r.daemonSet, OnTerm: agent.OnTerm(r.onTerm),
			HealthAddr: r.healthAddr, MetricsAddr: r.metricsAddr, Version: versionString(), Idle: o.idle(),
		}, log)
	}
	return cmd
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
