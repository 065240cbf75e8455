package main

import (
	"context"

	"github.com/spf13/cobra"

	"shunt/apply"
	"shunt/config"
	"shunt/logging"
	"shunt/redirect"
)

// clearRun is one call of `shunt clear`.
type clearRun struct {
	sys    *system
	target target
	logs   logging.Flags
}

func newClear(s *system) *cobra.Command {
	r := &clearRun{sys: s}
	cfg := config.Standard()
	cfg.IPv6 = true // everything of ours goes
	cmd := &cobra.Command{
		Use:   "clear [flags]",
		Short: "remove the rules",
		Long: `Remove the rules of shunt and of Linkerd's proxy-init, whichever backend holds
them. Nothing there is success. Connections that are redirected now are reset.
The host's own network namespace is refused without --host-network. It needs
CAP_NET_ADMIN.`,
		Example: `  shunt clear
  sudo shunt clear --netns /run/netns/pod1`,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context(), cfg) },
	}
	fs := cmd.Flags()
	r.target.bind(fs)
	r.target.bindHost(fs)
	fs.DurationVar(&cfg.LockTimeout, "lock-timeout", cfg.LockTimeout, "how long to wait for another run in the same namespace")
	r.logs.Bind(fs)
	return cmd
}

func (r *clearRun) run(ctx context.Context, cfg config.Config) error {
	log, err := r.sys.openLog(&r.logs)
	if err != nil {
		return err
	}
	if _, err := cfg.Validate(); err != nil {
		return err
	}
	ns, err := r.target.open()
	if err != nil {
		return err
	}
	defer ns.Close()
	commits, cleared, err := redirect.Open(ns, cfg, redirect.Options{Log: log, Thorough: true, Locks: lockFolder, HostNetwork: r.target.host}).Clear(ctx)
	if err != nil {
		return err
	}
	if len(cleared) == 0 {
		log.Info("there is nothing to remove")
		return nil
	}
	log.Info("the rules are removed", "backend", apply.Names(cleared), "commits", commits)
	return nil
}
