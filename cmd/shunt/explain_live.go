package main

import (
	"context"

	"shunt/cli"
	"shunt/explain"
	"shunt/redirect"
)

// explainLive explains by what the kernel holds of ours, on every backend.
func (r *explainRun) explainLive(ctx context.Context, req *resolved, q *explain.Question) (*explain.Explanation, error) {
	ns, err := r.target.open()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	found, err := redirect.Open(ns, req.cfg, redirect.Options{Log: req.log}).Live(ctx)
	if err != nil {
		return nil, err
	}
	var interfaces []explain.Interface
	if err := ns.Do(func() (err error) { interfaces, err = cli.UpInterfaces(); return err }); err != nil {
		return nil, redirect.Untouched{Err: err}
	}
	return explain.Live(q, &found, interfaces), nil
}
