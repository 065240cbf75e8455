package main

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"shunt/config"
	"shunt/explain"
	"shunt/plan"
)

// explainRun is one call of `shunt explain`.
type explainRun struct {
	request
	workloads workloads
	target    target
	live      bool
	format    string

	from, to, port, uid, gid, proto string
}

func newExplain(s *system) *cobra.Command {
	r := &explainRun{}
	cmd := &cobra.Command{
		Use:   "explain inbound|outbound [flags]",
		Short: "say which rule decides one connection, and why",
		Long: `Say what happens to one connection of a pod: which rule decides it, where it
ends, and which setting would change that. The rules are those of the flags,
or with -f of a workload's manifest, or with --live those that the kernel holds.
Nothing is written. Only --live needs CAP_NET_ADMIN.`,
		Example: `  shunt explain outbound --uid 1000 --to 10.0.0.5:3306
  shunt explain inbound --from 10.1.2.3 --port 8080 -f app.yaml --workload Deployment/web
  sudo shunt explain outbound --to 10.0.0.5:3306 --live --netns /run/netns/pod1`,
		ValidArgs: []string{plan.Inbound.String(), plan.Outbound.String()},
		RunE:      func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&r.from, "from", "", "`address` that the connection comes from; outbound, the pod's own")
	fs.StringVar(&r.to, "to", "", "`address:port` that it goes to; inbound, an address behind the pod, which forwards")
	fs.StringVar(&r.port, "port", "", "`port` that it goes to, if --to does not say it")
	fs.StringVar(&r.uid, "uid", "0", "user `id` of the process that connects, outbound")
	fs.StringVar(&r.gid, "gid", "0", "group `id` of the process that connects, outbound")
	fs.StringVar(&r.proto, "proto", "tcp", "protocol: `tcp|udp`")
	bindFormat(fs, &r.format, "text", "text or json")
	fs.BoolVar(&r.live, "live", false, "explain by the live rules of a network namespace, with their packet counters")
	r.target.bind(fs)
	r.workloads.bind(fs)
	r.bind(cmd, s)
	return cmd
}

func (r *explainRun) run(cmd *cobra.Command, args []string) error {
	if err := checkFormat(r.format, "text", formatJSON); err != nil {
		return err
	}
	if err := r.workloads.check(cmd.Flags()); err != nil {
		return err
	}
	switch {
	case r.live && r.workloads.files != nil:
		return badFlag("live", "it cannot be combined with -f, as live rules do not come from manifests: give one of them")
	case !r.live && (r.target.given("netns") || r.target.given("pid")):
		return badFlag("netns", "it and --pid apply to live rules: give --live as well")
	}
	q, err := r.question(args)
	if err != nil {
		return err
	}
	e, err := r.explain(cmd, q)
	if err != nil {
		return err
	}
	if r.format == formatJSON {
		return writeJSON(r.sys.stdout, e)
	}
	return e.WriteText(r.sys.stdout)
}

func (r *explainRun) explain(cmd *cobra.Command, q *explain.Question) (*explain.Explanation, error) {
	if r.workloads.files != nil {
		list, _, err := r.workloads.resolve(&r.request, true)
		if err != nil {
			return nil, err
		}
		s := &list[0]
		e := explain.NotInjected(q, strings.Join(s.Not, "; "))
		if s.Injected {
			e = explain.Plan(q, &s.cfg)
		}
		e.Workload = s.Object.String()
		return e, nil
	}
	req, err := r.resolve(cmd.Context())
	if err != nil {
		return nil, err
	}
	if r.live {
		return r.explainLive(cmd.Context(), req, q)
	}
	return explain.Plan(q, &req.cfg), nil
}

// question reads what describes the connection.
func (r *explainRun) question(args []string) (*explain.Question, error) {
	q := &explain.Question{UDP: r.proto == "udp"}
	direction := ""
	if len(args) == 1 {
		direction = args[0]
	}
	switch direction {
	case plan.Inbound.String():
	case plan.Outbound.String():
		q.Direction = plan.Outbound
	default:
		return nil, &config.InputError{Err: errors.New("which direction? want inbound or outbound, as in shunt explain outbound --to 10.0.0.5:3306")}
	}
	for _, id := range []struct {
		flag, text string
		to         *uint32
	}{{"uid", r.uid, &q.UID}, {"gid", r.gid, &q.GID}} {
		v, err := config.ParseID(id.text)
		if err != nil || v == config.NoID {
			return nil, badFlag(id.flag, "%q is not the id of a process: want a number from 0 to %d", id.text, int64(config.MaxID))
		}
		*id.to = uint32(v)
	}
	if err := oneOf("proto", r.proto, "tcp", "udp"); err != nil {
		return nil, err
	}
	return q, r.addresses(q)
}

func (r *explainRun) addresses(q *explain.Question) (err error) {
	if r.from != "" {
		if q.From, err = netip.ParseAddr(r.from); err != nil {
			return badFlag("from", "%q is not an address: want one such as 10.1.2.3", r.from)
		}
	}
	port := r.port
	if r.to != "" {
		host := r.to
		if i := strings.LastIndexByte(host, ':'); port == "" && i >= 0 && (strings.IndexByte(host, ':') == i || host[i-1] == ']') {
			host, port = strings.Trim(host[:i], "[]"), host[i+1:]
		}
		if q.To, err = netip.ParseAddr(host); err != nil {
			return badFlag("to", "%q is not an address and a port: want such as 10.0.0.5:3306 or [fd00::5]:3306, or an address with --port; names are not looked up", r.to)
		}
	}
	q.From, q.To = q.From.Unmap(), q.To.Unmap()
	switch {
	case q.Direction == plan.Outbound && !q.To.IsValid():
		return badFlag("to", "where does the connection go? want such as --to 10.0.0.5:3306")
	case q.From.IsValid() && q.To.IsValid() && q.From.Is4() != q.To.Is4():
		return badFlag("from", "%s and --to %s are of different families", q.From, q.To)
	case q.Direction == plan.Inbound && q.From.IsLoopback():
		// The connection went through the output hook, and nat looks at a
		// connection once (net/netfilter/nf_nat_core.c, nf_nat_initialized).
		return badFlag("from", "%s never meets the inbound rules, localhost is not redirected: ask for outbound --to %[1]s", q.From)
	case port == "":
		return badFlag("port", "which port does the connection go to? want such as --port 8080")
	}
	if q.Port, err = config.ParsePort(port); err != nil {
		return badFlag("port", "%w", err)
	}
	return nil
}
