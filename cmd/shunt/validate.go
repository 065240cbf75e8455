package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"shunt/cli"
	"shunt/config"
	"shunt/logging"
)

// validateRun is one call of `shunt validate`, which has the flags and the exit
// status of Linkerd's network validator (linkerd2-proxy-init, validator 0.1.9).
// That one tries once; this one tries until the time is over, so that rules which
// come late still count.
type validateRun struct {
	sys     *system
	logs    logging.Flags
	listen  string
	connect string
	timeout time.Duration
}

func newValidate(s *system) *cobra.Command {
	r := &validateRun{sys: s}
	cmd := &cobra.Command{
		Use:   "validate [flags]",
		Short: "say whether connections are redirected",
		Long: `Listen where the proxy will, connect to an address outside, and say whether the
connection arrived here: whether the rules redirect it. Attempts are repeated
until one does or the time is over. Run it in the pod, before the proxy, as
another user than the proxy's. The exit status is 0 if the connection was
redirected, 95 if it was not, 2 if the request makes no sense. It needs no
privileges, and looks at no rules.`,
		Example: `  shunt validate
  shunt validate --listen-addr '[::]:4140' --connect-addr '[fd00::1]:20001'
  shunt validate --timeout 30s --log-level debug`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := r.run(cmd.Context())
			if err != nil {
				terminationMessage(errorLine(cmd, err))
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&r.listen, "listen-addr", "0.0.0.0:4140", "`address:port` that connections are redirected to; [::] takes both families")
	fs.StringVar(&r.connect, "connect-addr", "192.0.2.2:1404", "`address:port` to connect to: the pod has a route to it, and nothing answers there")
	fs.DurationVar(&r.timeout, "timeout", 10*time.Second, "how long to try")
	r.logs.Bind(fs)
	if s.role == networkValidator {
		cmd.Use = "linkerd2-network-validator [flags]"
		cmd.Example = "  linkerd2-network-validator --connect-addr 1.1.1.1:20001 --listen-addr 0.0.0.0:4140 --timeout 10s"
		for name, to := range map[string]*string{"LINKERD_NETWORK_VALIDATOR_LOG_LEVEL": &r.logs.Level, "LINKERD_NETWORK_VALIDATOR_LOG_FORMAT": &r.logs.Format} {
			if value, ok := s.lookupEnv(name); ok {
				*to = value
			}
		}
	}
	return cmd
}

// notValid is why a connection was not seen to be redirected.
type notValid struct{ error }

func (e notValid) Unwrap() error { return e.error }

func (r *validateRun) run(ctx context.Context) error {
	log, err := r.sys.openLog(&r.logs)
	if err != nil {
		return err
	}
	listen, to, err := r.addresses()
	if err != nil {
		return err
	}
	start := time.Now()
	err = redirected(ctx, listen, to, start.Add(r.timeout), log)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return notValid{fmt.Errorf("%w: the proxy listens there already: run this before it", err)}
	case errors.Is(err, errListen):
		return notValid{fmt.Errorf("%w: give --listen-addr an address of this pod, or 0.0.0.0", err)}
	case err != nil:
		return notValid{fmt.Errorf("in %s no connection to %s was redirected to %s (%w): %s", r.timeout, to, listen, err, r.hint(to, err))}
	}
	log.Info("the connection was redirected", "to", to.String(), "arrived", listen.String(), "took", time.Since(start).Round(10*time.Microsecond).String())
	return nil
}

func (r *validateRun) hint(to netip.AddrPort, err error) string {
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		return "give --connect-addr an address that the pod has a route to"
	case os.Getuid() == config.StandardProxyUID:
		return fmt.Sprintf("user %d, as whom this runs, is the proxy's by default, and never redirected: run it as another", os.Getuid())
	}
	return fmt.Sprintf("the pod has no rules, or they let it bypass the proxy: on the node, shunt explain outbound --to %s --live --pid PID says which", to)
}

func (r *validateRun) addresses() (listen, to netip.AddrPort, err error) {
	for _, f := range []struct {
		name, text string
		to         *netip.AddrPort
	}{{"listen-addr", r.listen, &listen}, {"connect-addr", r.connect, &to}} {
		if *f.to, err = netip.ParseAddrPort(f.text); err != nil || f.to.Port() == 0 {
			return listen, to, cli.BadFlag(f.name, "%s is not an address and a port: want such as 192.0.2.2:1404 or [fd00::1]:20001", config.Quote(f.text))
		}
		*f.to = netip.AddrPortFrom(f.to.Addr().Unmap(), f.to.Port())
	}
	switch {
	case to.Addr().IsLoopback() || to.Addr().IsUnspecified():
		return listen, to, cli.BadFlag("connect-addr", "%s is this host, and connections to it are never redirected: want an address outside", to)
	case to.Addr().Is6() && to.Addr().IsLinkLocalUnicast():
		return listen, to, cli.BadFlag("connect-addr", "%s is of one link only: want an address outside", to)
	case to.Addr().Is6() != listen.Addr().Is6() && listen.Addr() != netip.IPv6Unspecified():
		return listen, to, cli.BadFlag("listen-addr", "%s takes no connections to %s: want [::]:%d, for both families", listen, to, listen.Port())
	case r.timeout <= 0:
		return listen, to, cli.BadFlag("timeout", "%s is no time to try in: want such as 10s", r.timeout)
	}
	return listen, to, nil
}
