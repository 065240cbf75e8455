package redirect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shunt/apply"
	"shunt/iptables"
	"shunt/netns"
	"shunt/plan"
)

// Live reads what there is to see in the namespace: what every owner holds of ours,
// and what others have on the way. It takes no lock and writes nothing.
func (r *Rules) Live(ctx context.Context) (found apply.Found, err error) {
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
			h := apply.Held{Owner: o.ID(), State: have}
			h.Stamp, h.AsWritten = apply.AsWritten(have, b.expander(o.ID()))
			found.Held = append(found.Held, h)
		}
		if b.nft != nil {
			unread := ""
			if found.Others, unread, err = b.nft.Others(ctx); err != nil {
				return false, err
			}
			if unread != "" {
				found.Unread = append(found.Unread, unread)
			}
		}
		found.Unread = append(found.Unread, unreadTables()...)
		found.IPv6, err = netns.HasGlobalIPv6()
		return false, err
	})
	return found, err
}

// expander puts plans into an owner's shape.
func (b *backends) expander(id apply.ID) func(plan.Plan) apply.State {
	if id == apply.NFTables {
		return b.nft.Expand
	}
	return new(iptables.Backend).Expand
}

// unreadTables names the legacy tables of iptables: rules of others in them can
// drop or translate, too. Reading them needs iptables' own commands, and makes
// tables that are not there yet.
func unreadTables() (out []string) {
	for _, fam := range []plan.Family{plan.IPv4, plan.IPv6} {
		command := map[plan.Family]string{plan.IPv4: "iptables-legacy-save", plan.IPv6: "ip6tables-legacy-save"}[fam]
		switch names, err := iptables.LegacyTables(fam); {
		case err != nil:
			out = append(out, fmt.Sprintf("whether legacy iptables has rules of others is not known: %v", err))
		case len(names) > 0:
			slices.Sort(names)
			out = append(out, fmt.Sprintf("rules of others in legacy iptables (%s): %s shows them", strings.Join(names, ", "), command))
		}
	}
	return out
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
