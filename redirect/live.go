package redirect

import (
	"context"

	"shunt/apply"
	"shunt/iptables"
)

// Live reads what every owner holds of ours. It takes no lock and writes nothing.
func (r *Rules) Live(ctx context.Context) (all []apply.Held, err error) {
	err = r.inside(func(b *backends) (bool, error) {
		owners, err := b.owners(ctx)
		if err != nil {
			return false, err
		}
		for _, o := range owners {
			have, err := b.whole(ctx, o)
			if err != nil {
				return false, err
			}
			all = append(all, apply.Held{Owner: o.ID(), State: have})
		}
		return false, nil
	})
	return all, err
}

// whole reads what an owner holds. What iptables-nft wrote is only counted over
// netlink; if there is any, its own command reads it, where there is one.
func (b *backends) whole(ctx context.Context, o apply.Owner) (apply.State, error) {
	have, err := apply.ReadState(ctx, o)
	if err != nil || have.Empty() || o.ID() != apply.IPTablesNFT {
		return have, err
	}
	if ipt, err := b.iptables(ctx, iptables.ModeNFT, true); err == nil {
		if decoded, err := ipt.Read(ctx); err == nil {
			return decoded.State(), nil
		}
	}
	return have, nil
}
