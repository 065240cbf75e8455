package redirect

import (
	"context"
	"errors"
	"fmt"

	"shunt/apply"
	"shunt/iptables"
	"shunt/nftables"
	"shunt/plan"
)

// Held is what one owner holds of ours in the namespace.
type Held struct {
	Owner string
	State plan.State
}

// Live reads what every owner holds, and writes nothing.
func (r *Rules) Live(ctx context.Context) (all []Held, err error) {
	err = r.inside(ctx, func(b *backends) (bool, error) {
		owners, err := b.readers()
		if err != nil {
			return false, err
		}
		for _, o := range owners {
			have, err := o.Read(ctx)
			if errors.Is(err, plan.ErrNotSupported) {
				continue
			}
			if err != nil {
				return false, fmt.Errorf("read the rules of %s: %w", o.Name(), err)
			}
			all = append(all, Held{o.Name(), have})
		}
		return false, nil
	})
	return all, err
}

// readers returns the owners as they read best: what iptables-nft wrote is read
// by its own command where there is one, because over netlink it is only
// counted.
func (b *backends) readers() ([]apply.Owner, error) {
	owners, err := b.owners()
	if err != nil {
		return nil, err
	}
	for i, o := range owners {
		if _, counted := o.(*nftables.Leftovers); !counted {
			continue
		}
		if ipt, err := b.iptables(iptables.ModeNFT, true); err == nil {
			owners[i] = orElse{ipt, o}
		}
	}
	return owners, nil
}

// orElse reads with the first owner, or if it cannot, with the second.
type orElse struct {
	apply.Owner
	second apply.Owner
}

func (o orElse) Read(ctx context.Context) (plan.State, error) {
	if have, err := o.Owner.Read(ctx); err == nil {
		return have, nil
	}
	return o.second.Read(ctx)
}
