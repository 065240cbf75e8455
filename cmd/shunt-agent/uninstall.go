package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"shunt/agent/install"
	"shunt/logging"
)

func newUninstall(s *system) *cobra.Command {
	var o options
	var l logging.Flags
	var binary bool
	var health string
	cmd := &cobra.Command{
		Use:   "uninstall [flags]",
		Short: "take out what was installed",
		Long: `Take out exactly what was installed, as /etc/cni/net.d/.shunt-installed says. An
agent that runs on the node would put it back: delete its DaemonSet first.`,
	}
	o.folders(cmd.Flags())
	cmd.Flags().BoolVar(&binary, "binary", false, "remove the plugin's binary, too; some runtimes then cannot tear down pods that started before")
	healthFlag(cmd.Flags(), &health)
	l.Bind(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnv(cmd.Flags(), s.lookupEnv); err != nil {
			return err
		}
		o.withoutPod(cmd.Flags())
		log, err := l.Open(s.stderr)
		if err != nil {
			return err
		}
		if answer, _ := askAgent(health, "/live"); answer != "" {
			log.Warn("an agent runs on this node and will install the plugin again: delete its DaemonSet")
		}
		cfg := install.Config{NetDir: o.onNode(o.netDir), BinDir: o.onNode(o.binDir)}
		changes, err := install.New(cfg, log).Uninstall(binary, false)
		install.Log(log, install.Status{Changes: changes})
		if errors.Is(err, install.ErrNotInstalled) {
			_, err = fmt.Fprintf(s.stdout, "nothing to take out: %v in %s\n", err, cfg.NetDir)
			return err
		}
		if err == nil {
			_, err = fmt.Fprintln(s.stdout, "taken out")
		}
		return err
	}
	return cmd
}

// askAgent asks the agent that runs on this node for its health. The answer is
// empty where none runs; ok is whether it was a good one.
func askAgent(addr, path string) (answer string, ok bool) {
	client := http.Client{Timeout: 2 * time.Second}
	res, err := client.Get("http://" + addr + path)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return "", false
	}
	return string(body), res.StatusCode == http.StatusOK
}
