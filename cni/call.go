package cni

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/config"
	"shunt/netns"
	"shunt/pods"
)

// call is one verb with what the runtime gave for it.
type call struct {
	*run
	args
	conf *netConf
	log  *slog.Logger
}

// newCall decodes the network configuration and opens the log. A DEL goes on
// without a configuration that makes sense: there may be rules to remove.
func (r *run) newCall(a args, data []byte) (*call, error) {
	conf, err := parseConf(data)
	if err == nil {
		err = checkVersion(r.verb, conf.version)
	}
	c := &call{run: r, args: a, conf: conf, log: r.openLog(conf)}
	if a.containerID != "" {
		c.log = c.log.With("pod", c.pod.String(), "container", a.containerID, "netns", a.netns)
		if c.pod.UID != "" {
			c.log = c.log.With("uid", c.pod.UID)
		}
	}
	r.log.Store(c.log)
	if err != nil && r.verb == verbDel {
		c.log.Warn("del goes on, although the network configuration is wrong", "error", err)
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	r.version.Store(&conf.version)
	return c, nil
}

// hintConf says where the operator finds what is wrong.
const hintConf = "correct shunt's entry in the network configuration of this node (below /etc/cni/net.d, unless the runtime looks elsewhere)"

// fail makes the error that the runtime gets and `kubectl describe pod` shows:
// the pod, what went wrong, and what to do.
func (c *call) fail(code uint, err error, hint string) error {
	return types.NewError(code, fmt.Sprintf("shunt: %s: %v", c.subject(), err), hint)
}

// subject names for people what the verb is about.
func (c *call) subject() string {
	switch {
	case c.pod.Name != "":
		return "pod " + c.pod.String()
	case c.containerID != "":
		return "container " + c.containerID
	}
	return "network configuration " + c.conf.name
}

// late turns an error that the end of the time caused into one that says so.
func (c *call) late(err error) error {
	if e, ok := err.(*types.Error); ok && (e.Code == types.ErrInternal || e.Code == types.ErrPluginNotAvailable) {
		e.Code = types.ErrTryAgainLater
		e.Details = fmt.Sprintf("the time of %s was over: %s", c.conf.timeout, hintTimeout)
	}
	return err
}

// took is the time since the plugin was started, for the log.
func (c *call) took() slog.Attr {
	return slog.String("took", time.Since(c.start).Round(10*time.Microsecond).String())
}

// Decisions beside those of the policy.
const (
	noPod     Decision = "no pod"
	simulated Decision = "simulated"
	unknown   Decision = "not known"
	gone      Decision = "the network namespace is gone"
)

// decide says whether the pod is meshed, and what is known about it.
func (c *call) decide(ctx context.Context) (Decision, pods.Facts, error) {
	if c.conf.excludes(c.pod.Namespace) {
		return Excluded, pods.Facts{}, nil
	}
	facts, known, err := c.facts(ctx)
	switch {
	case err != nil:
		return "", pods.Facts{}, err
	case known:
		return c.conf.Decide(c.pod, facts), facts, nil
	case c.pod.Name == "":
		return noPod, pods.Facts{}, nil
	}
	return unknown, pods.Facts{}, nil
}

// podConfig returns the settings of a pod's rules, and logs where they come from.
func (c *call) podConfig(facts pods.Facts) (config.Config, error) {
	cfg, warnings, hint, err := c.conf.merge(c.pod, facts)
	for _, w := range warnings {
		c.log.Warn(w)
	}
	if err != nil {
		return cfg, c.fail(types.ErrInvalidNetworkConfig, err, hint)
	}
	c.logSources(cfg)
	return cfg, nil
}

// openNetns opens the pod's namespace, unless it is the node's.
func (c *call) openNetns() (*netns.NS, error) {
	ns, err := netns.Open(c.netns)
	if err != nil {
		return nil, c.fail(types.ErrInvalidNetNS, fmt.Errorf("CNI_NETNS: %w", err), "the pod may have been stopped meanwhile; otherwise look into the container runtime's log")
	}
	if err := c.refuseHost(ns); err != nil {
		_ = ns.Close()
		return nil, err
	}
	return ns, nil
}

// refuseHost fails on the node's own namespace: the initial one, that of process
// 1, or this process's.
func (c *call) refuseHost(ns *netns.NS) error {
	own, err := netns.Current()
	if err != nil {
		return c.fail(types.ErrInternal, err, "")
	}
	defer own.Close()
	host, unknown := ns.IsHost()
	if unknown != nil && !own.IsInitial() { // otherwise its inode has said it all
		c.log.Warn("it cannot be told for certain whether CNI_NETNS is the node's own namespace", "error", unknown)
	}
	if host || ns.Same(own) {
		return c.fail(types.ErrInvalidNetNS,
			fmt.Errorf("CNI_NETNS: %s is the node's own: rules in it would redirect the traffic of the whole node", ns),
			"a pod with hostNetwork has no network of its own: runtimes call no plugin for it")
	}
	return nil
}
