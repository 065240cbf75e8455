package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

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
	var interfaces []explain.Interface
	err := r.target.inside(ctx, req.cfg.LockTimeout, func() (err error) {
		names, states, err = k.live(ctx)
		if err == nil {
			interfaces, err = upInterfaces()
		}
		if err != nil {
			err = untouched{err}
		}
		return err
	})
	return explain.Live(q, names, states, interfaces), err
}

// upInterfaces returns the interfaces of the calling thread's namespace that
// are up.
func upInterfaces() ([]explain.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list the interfaces: %w", err)
	}
	up := []explain.Interface{}
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it went away
		}
		one := explain.Interface{Name: i.Name, Loopback: i.Flags&net.FlagLoopback != 0}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			ip := p.Addr()
			one.IPv4 = one.IPv4 || ip.Is4() && (!one.Loopback || p.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})))
			one.IPv6 = one.IPv6 || ip.Is6() && !ip.IsLinkLocalUnicast() && (!one.Loopback || ip == netip.IPv6Loopback())
		}
		up = append(up, one)
	}
	return up, nil
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
