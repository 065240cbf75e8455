package main

import (
	"context"
	"errors"
	"fmt"

	"shunt/explain"
	"shunt/iptables"
	"shunt/nftables"
	"shunt/plan"
)

// explainLive explains by what the kernel holds of ours, on every backend.
func (r *explainRun) explainLive(ctx context.Context, req *resolved, q *explain.Question) (*explain.Explanation, error) {
	k := req.kernel()
	defer k.close()
	var names []string
	var states []plan.State
	err := r.target.inside(ctx, req.cfg.LockTimeout, func() (err error) {
		names, states, err = k.live(ctx)
		if err != nil {
			err = untouched{err}
		}
		return err
	})
	return explain.Live(q, names, states), err
}

// live reads what every backend has. What iptables-nft wrote is read by its
// own command where there is one: over netlink it is only counted.
func (k *kernel) live(ctx context.Context) (names []string, states []plan.State, err error) {
	owners, err := k.owners()
	if err != nil {
		return nil, nil, err
	}
	for _, o := range owners {
		have, err := o.Read(ctx)
		if errors.Is(err, plan.ErrNotSupported) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the rules of %s: %w", o.Name(), err)
		}
		if _, counted := o.(*nftables.Leftovers); counted && !have.Empty() {
			if b, err := k.iptables(iptables.ModeNFT, true); err == nil {
				if decoded, err := b.Read(ctx); err == nil {
					have = decoded
				}
			}
		}
		names, states = append(names, o.Name()), append(states, have)
	}
	return names, states, nil
}
