package main

import (
	"context"
	"log/slog"

	"shunt/apply"
	"shunt/cni"
	"shunt/config"
	"shunt/netns"
	"shunt/plan"
)

// newPlugin returns the program in its role as a CNI plugin.
func newPlugin() *cni.Plugin {
	return &cni.Plugin{
		Rules: func(ns *netns.NS, cfg config.Config, log *slog.Logger) cni.Rules {
			return &podRules{ns, resolved{cfg, plan.Build(cfg), log}}
		},
		Level: parseLevel,
	}
}

// podRules are the rules of one pod.
type podRules struct {
	ns *netns.NS
	resolved
}

// Apply is for ADD: the pod's containers do not exist yet.
func (r *podRules) Apply(ctx context.Context) (res apply.Result, err error) {
	err = r.inside(ctx, true, func(e *apply.Engine) error {
		res, err = e.Apply(ctx, r.plan)
		return err
	})
	return res, err
}

func (r *podRules) Compare(ctx context.Context) (c apply.Comparison, err error) {
	err = r.inside(ctx, false, func(e *apply.Engine) error {
		c, err = e.Compare(ctx, r.plan)
		return err
	})
	return c, err
}

func (r *podRules) Clear(ctx context.Context) (commits int, cleared []string, err error) {
	err = r.inside(ctx, false, func(e *apply.Engine) error {
		commits, cleared, err = e.Clear(ctx)
		return err
	})
	return commits, cleared, err
}

// inside calls f with an engine in the pod's namespace, where nothing connects
// yet if it is idle.
func (r *podRules) inside(ctx context.Context, idle bool, f func(*apply.Engine) error) error {
	k := r.kernel()
	k.idle = idle
	k.noteLevel = slog.LevelDebug // the line on ADD has the reason
	defer k.close()
	return inside(ctx, r.ns, r.cfg.LockTimeout, func() error { return f(k.engine()) })
}
