package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"shunt/agent/install"
	"shunt/logging"
)

// mostTries is how often install --once tries: together the tries last longer than
// another program takes to write the file.
const mostTries = 30

func newInstall(s *system) *cobra.Command {
	var o options
	var l logging.Flags
	var once bool
	cmd := &cobra.Command{
		Use:   "install [flags]",
		Short: "install and chain the plugin, then exit",
		Long: `Install and chain the plugin, then exit: for nodes that are set up by hand or
by an image builder. It waits for the node's network configuration, unless
--once is given: it then fails where there is none.`,
	}
	o.folders(cmd.Flags())
	o.plugin(cmd.Flags())
	l.Bind(cmd.Flags())
	cmd.Flags().BoolVar(&once, "once", false, "do not wait for the node's network configuration")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd.Flags(), s.lookupEnv); err != nil {
			return err
		}
		o.withoutPod(cmd.Flags())
		cfg, err := o.install(s)
		if err != nil {
			return err
		}
		log, err := l.Open(s.stderr)
		if err != nil {
			return err
		}
		return installNow(cmd.Context(), install.New(cfg, log), once, log, s)
	}
	return cmd
}

// installNow installs, and tries again where trying again can help.
func installNow(ctx context.Context, installer *install.Installer, once bool, log *slog.Logger, s *system) error {
	said := ""
	for tries := 1; ; tries++ {
		st, err := installer.Sync()
		install.Log(log, st)
		switch {
		case err == nil && st.State == install.Linked:
			_, err := fmt.Fprintf(s.stdout, "chained to network %s of %s (mode %s: %s)\n", st.Network, st.File, st.Mode, st.Why)
			return err
		case err == nil && (once || st.State == install.Refused):
			return fmt.Errorf("not chained: %s", st.Why)
		case err == nil:
			err = errors.New(st.Why)
		case once && tries == mostTries:
			return err
		}
		if text := err.Error(); text != said {
			said = text
			log.Warn("not installed yet", "err", text)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted: %w", err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
