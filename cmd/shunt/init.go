package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"shunt/apply"
)

// initRun is one call of `shunt init`.
type initRun struct {
	request
	target  target
	dryRun  bool
	useWait bool
}

func newInit(s *system) *cobra.Command {
	r := &initRun{}
	cmd := &cobra.Command{
		Use:   "init [flags]",
		Short: "apply the rules in a network namespace, and verify them",
		Long: `Apply the rules in the current network namespace (a pod's, when this runs as its
init container) or in another one, read them back, and compare. Rules that are
already right are left alone; those of Linkerd's proxy-init and of an earlier
run are taken over. The host's own network namespace is refused without
--host-network. It needs CAP_NET_ADMIN, and for iptables-legacy CAP_NET_RAW.`,
		Example: `  shunt init --skip-outbound-ports 3306,5432
  shunt init --config /etc/shunt/shunt.yaml
  shunt init --netns /run/netns/pod1 --dry-run`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := r.run(cmd.Context())
			if err != nil && !r.dryRun {
				terminationMessage(errorLine(cmd, err))
			}
			return err
		},
	}
	if s.role == proxyInit {
		cmd.Use = "proxy-init [flags]"
		cmd.Example = "  proxy-init -p 4143 -o 4140 -u 2102 --inbound-ports-to-ignore 4190,4191"
	}
	fs := cmd.Flags()
	r.bind(cmd, s)
	r.target.bind(fs)
	r.target.bindHost(fs)
	fs.BoolVar(&r.dryRun, "dry-run", false, "print the rules that would be applied, and write nothing")
	fs.BoolVar(&r.dryRun, "simulate", false, "Linkerd's name of --dry-run")
	wait := ""
	if s.role == proxyInit {
		wait = "w"
	}
	fs.BoolVarP(&r.useWait, "use-wait-flag", wait, false, "accepted for Linkerd: shunt always waits for the xtables lock, up to --lock-timeout")
	hidden(fs, "simulate", "use-wait-flag")
	return cmd
}

func (r *initRun) run(ctx context.Context) error {
	start := time.Now()
	req, err := r.resolve()
	if err != nil {
		return err
	}
	if r.dryRun {
		return r.print(req)
	}
	rules, done, err := req.rules(&r.target)
	if err != nil {
		return err
	}
	defer done()
	res, err := rules.Apply(ctx)
	if err != nil {
		return err
	}
	req.log.Info(initMessage(res),
		"backend", res.Backend, "reason", res.Reason,
		"result", initResult(res), "commits", res.Commits, "rules", res.Rules, "ipv6", res.IPv6,
		"plan", rules.PlanHash(), "took", time.Since(start).Round(10*time.Microsecond).String())
	if res.Bypassed {
		req.log.Warn("IPv6 is off (" + string(req.cfg.Sources.Of("ipv6")) + "), and the pod has an IPv6 address: its IPv6 connections bypass the proxy; " +
			"give --ipv6 if the proxy listens on IPv6 (in Linkerd's charts: disableIPv6 is false)")
	}
	return nil
}

func initMessage(res apply.Result) string {
	if !res.Changed {
		return "the rules are right already"
	}
	return "the rules are applied and verified"
}

func initResult(res apply.Result) string {
	switch {
	case !res.Changed:
		return "unchanged"
	case len(res.Removed) > 0 && !res.Replaced:
		return "took over from " + apply.Names(res.Removed)
	case res.Replaced:
		return "replaced"
	}
	return "new"
}

// print shows what would be applied, on standard output.
func (r *initRun) print(req *resolved) error {
	// A namespace that cannot be opened is an error in a dry run too.
	ns, err := r.target.open()
	if err != nil {
		return err
	}
	defer ns.Close()
	text, err := render(req, formatRules)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(r.sys.stdout, text); err != nil {
		return err
	}
	req.log.Info("dry run: nothing was written", "namespace", ns.String())
	return nil
}

// terminationLog is where Kubernetes looks for a container's last words
// (terminationMessagePath); `kubectl describe pod` shows them.
const terminationLog = "/dev/termination-log"

// terminationMessage leaves the error for `kubectl describe pod`. The kubelet
// mounts the file; where it is absent, there is nobody to read it.
func terminationMessage(text string) {
	f, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		_, _ = f.WriteString(text)
	}
}
