package cni

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/apply"
	"shunt/config"
	"shunt/netns"
	"shunt/pods"
)

// codeDrift is CHECK's error for rules that are not those of the plan; codes
// from 100 on are a plugin's own.
const codeDrift = 100

// add sets a pod's rules up, if it is meshed, and passes the result of the
// plugin before it on.
func add(ctx context.Context, c *call) error {
	if c.conf.prevResult == nil {
		return c.fail(types.ErrInvalidNetworkConfig,
			errors.New("there is no prevResult: shunt makes no interface of its own, so it has to be chained"),
			`put its entry into the "plugins" list of a conflist, after the plugin that makes the interface`)
	}
	out, err := passThrough(c.conf.prevResult, c.conf.version)
	if err != nil {
		return c.fail(types.ErrDecodingFailure, err, "the plugin before shunt in the conflist returned it: look into that plugin's log")
	}
	d, facts, err := c.decide(ctx)
	if err != nil {
		return err
	}
	if d != Meshed {
		c.log.Info("add", "decision", d, c.took())
	} else if err := c.setUp(ctx, facts); err != nil {
		return err
	}
	c.result = out
	return nil
}

// setUp applies a meshed pod's rules.
func (c *call) setUp(ctx context.Context, facts pods.Facts) error {
	return c.withRules(facts, func(rules Rules) error {
		if c.conf.simulate {
			return c.simulate(ctx, rules)
		}
		res, err := rules.Apply(ctx)
		if err != nil {
			return c.fail(code(err), fmt.Errorf("apply the rules: %w", err),
				cmp.Or(hint(err), "a meshed pod is not started without its rules; the runtime will try again"))
		}
		c.log.Info("add", "decision", Meshed, "backend", res.Backend, "reason", res.Reason,
			"changed", res.Changed, "commits", res.Commits, "rules", res.Rules, "ipv6", res.IPv6, c.took())
		if res.Bypassed {
			c.log.Warn(`ipv6 is off, and the pod has an IPv6 address: its IPv6 connections bypass the proxy; set "ipv6" to true in the network configuration if the proxy listens on IPv6 (in Linkerd's charts: disableIPv6 is false)`)
		}
		return nil
	})
}

// withRules calls f with the rules that a meshed pod is to have.
func (c *call) withRules(facts pods.Facts, f func(Rules) error) error {
	cfg, err := c.podConfig(facts)
	if err != nil {
		return err
	}
	ns, err := c.openNetns()
	if err != nil {
		return err
	}
	defer ns.Close()
	return f(c.rules(ns, cfg, c.verb == verbAdd))
}

// simulate logs what an ADD would change.
func (c *call) simulate(ctx context.Context, rules Rules) error {
	live, err := rules.Compare(ctx)
	if err != nil {
		return c.fail(code(err), fmt.Errorf("simulate: compare the live rules with the plan: %w", err), hint(err))
	}
	c.log.Info("add", "decision", simulated, "backend", live.Backend, "diff", live.Text(), c.took())
	return nil
}

// check compares the live rules of a meshed pod with the plan.
func check(ctx context.Context, c *call) error {
	d, facts, err := c.decide(ctx)
	if err != nil || d != Meshed || c.conf.simulate {
		return err
	}
	return c.withRules(facts, func(rules Rules) error {
		live, err := rules.Compare(ctx)
		if err != nil {
			return c.fail(code(err), fmt.Errorf("compare the live rules with the plan: %w", err), hint(err))
		}
		if !live.Equal() {
			return c.fail(codeDrift, fmt.Errorf("the live rules (%s) are not those of the plan", live.Backend), shorten(live.Text()))
		}
		return nil
	})
}

// del removes what shunt owns from a namespace that is still there. Where it
// is not known whether the pod is meshed, it looks.
func del(ctx context.Context, c *call) error {
	d, _, err := c.decide(ctx)
	if err != nil {
		d = unknown
	}
	if (d == Meshed || d == unknown) && c.conf.simulate {
		d = simulated
	}
	if d != Meshed && d != unknown {
		c.log.Info("del", "decision", d, c.took())
		return nil
	}
	ns, err := netns.Open(c.netns)
	if c.netns == "" || errors.Is(err, fs.ErrNotExist) || errors.Is(err, netns.ErrNotNamespace) {
		c.log.Info("del", "decision", gone, c.took())
		return nil
	}
	if err != nil {
		return c.fail(types.ErrInvalidNetNS, fmt.Errorf("CNI_NETNS: %w", err), "")
	}
	defer ns.Close()
	if err := c.refuseHost(ns); err != nil {
		return err
	}
	// Everything of ours goes, whatever the configuration was or is.
	cfg := config.CNIAbsent()
	cfg.IPv6 = true
	commits, cleared, err := c.rules(ns, cfg, false).Clear(ctx)
	if err != nil {
		return c.fail(types.ErrInternal, fmt.Errorf("remove the rules: %w", err), hint(err))
	}
	c.log.Info("del", "decision", d, "backend", apply.Names(cleared), "commits", commits, c.took())
	return nil
}

// gc has nothing to collect: everything is in the pods' namespaces, and ends
// with them.
func gc(context.Context, *call) error { return nil }
