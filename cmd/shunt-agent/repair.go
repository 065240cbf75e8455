package main

import (
	"github.com/spf13/cobra"

	"shunt/agent"
	"shunt/logging"
)

// newRepairController is the command under the name of Linkerd's repair
// controller, with its flags and variables.
func newRepairController(s *system) *cobra.Command {
	var l logging.Flags
	var cfg agent.RepairConfig
	cmd := &cobra.Command{
		Use:   agent.RepairControllerName + " [flags]",
		Short: "delete the pods of a node that started before the CNI plugin was chained",
	}
	cmd.Flags().StringVar(&cfg.AdminAddr, "admin-addr", "0.0.0.0:8080", "`address` for /live, /ready and /metrics")
	cmd.Flags().StringVar(&cfg.Node, "node-name", "", "`name` of the node whose pods are looked at")
	cmd.Flags().StringVar(&cfg.Pod, "controller-pod-name", "", "`name` of this pod, which Events name")
	l.Bind(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for flag, name := range map[string]string{"node-name": "NODE_NAME", "controller-pod-name": "POD_NAME", "log-level": "LOG_LEVEL", "log-format": "LOG_FORMAT"} {
			value, _ := s.lookupEnv("LINKERD_CNI_REPAIR_CONTROLLER_" + name)
			if value != "" && !cmd.Flags().Changed(flag) {
				if err := cmd.Flags().Set(flag, value); err != nil {
					return input("variable LINKERD_CNI_REPAIR_CONTROLLER_%s: %v", name, err)
				}
			}
		}
		l.Level = logging.FilterLevel(l.Level)
		log, err := l.Open(s.stdout) // where Linkerd's writes it
		if err != nil {
			return err
		}
		if cfg.Node == "" || cfg.Pod == "" {
			return input("no node or no pod: set LINKERD_CNI_REPAIR_CONTROLLER_NODE_NAME and LINKERD_CNI_REPAIR_CONTROLLER_POD_NAME")
		}
		if cfg.Kube, err = agent.InCluster(agent.RepairControllerName + "/" + versionString()); err != nil {
			return err
		}
		return agent.RunRepairController(cmd.Context(), cfg, log)
	}
	return cmd
}
