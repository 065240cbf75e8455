package cli

import (
	"fmt"
	"net"
	"net/netip"

	"shunt/explain"
)

// UpInterfaces returns the interfaces of the calling thread's namespace that
// are up.
func UpInterfaces() ([]explain.Interface, error) {
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
