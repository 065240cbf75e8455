package netnstest

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"shunt/netns"
)

// Topology is a pod and whom it talks to, over IPv4 and IPv6:
//
//	Client ── Pod ── Server
//	           │
//	         Behind
//
// Each line is a link of its own. The pod forwards, so that Client reaches
// Behind as the host's network reaches a container inside the pod. What has no
// other route goes from the pod to Server.
//
// Client and Server each own many addresses (see Owns): Client can connect
// from any of its own, an application of Server that listens on the wildcard
// address answers on any of its own, and the routes are there.
type Topology struct {
	Client, Pod, Server, Behind *NS // Pod.IPv4 and IPv6 are on its link to Client
}

// NewTopology makes the four namespaces and their links.
func NewTopology(t testing.TB) *Topology {
	t.Helper()
	top := &Topology{Client: New(t), Pod: New(t), Server: New(t), Behind: New(t)}
	for _, ns := range []*NS{top.Client, top.Pod, top.Server, top.Behind} {
		// Addresses that make themselves work at once, too; answers may come
		// in by another link than they would go out.
		sysctls(t, ns, "0", "net.ipv6.conf.all.accept_dad", "net.ipv6.conf.default.accept_dad",
			"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter")
	}
	sysctls(t, top.Pod, "1", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
	link(t, 1, top.Pod, top.Client)
	link(t, 2, top.Pod, top.Server)
	link(t, 3, top.Pod, top.Behind)
	top.Pod.IPv4, top.Pod.IPv6 = linkAddrs(1, 1)

	top.Client.Owns = prefixes("10.0.0.0/9", "fd01::/16")
	top.Server.Owns = prefixes("10.128.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "198.51.100.0/24", "203.0.113.0/24",
		"fd02::/16", "2001:db8::/32")
	for _, ns := range []*NS{top.Client, top.Server} {
		for _, p := range ns.Owns {
			must(t, ns, func() error { return own(p) })
		}
	}
	routes(t, top.Pod, top.Client.Owns, top.Client.IPv4, top.Client.IPv6)
	routes(t, top.Pod, everywhere(), top.Server.IPv4, top.Server.IPv6)
	return top
}

// link connects the pod with its neighbour number n: eth0 of the neighbour
// with eth<n-1> of the pod, by which the neighbour sends everything.
func link(t testing.TB, n uint32, pod, neighbour *NS) {
	t.Helper()
	const hostIndex, pod1 = 2, 10
	podIndex := pod1 + n
	must(t, pod, func() error {
		return addVeth(fmt.Sprintf("eth%d", n-1), podIndex, "eth0", hostIndex, neighbour.FD())
	})
	pod4, pod6 := linkAddrs(n, 1)
	neighbour.IPv4, neighbour.IPv6 = linkAddrs(n, 2)
	up(t, pod, podIndex, pod4, pod6)
	up(t, neighbour, hostIndex, neighbour.IPv4, neighbour.IPv6)
	routes(t, neighbour, everywhere(), pod4, pod6)
	waitUp(t, pod, podIndex)
	waitUp(t, neighbour, hostIndex)
}

// linkAddrs returns the addresses of a host on link n, whose subnets are
// 10.200.n.0/24 and fd00:200:n::/64.
func linkAddrs(n uint32, host byte) (v4, v6 netip.Addr) {
	return netip.AddrFrom4([4]byte{10, 200, byte(n), host}),
		netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x02, 5: byte(n), 15: host})
}

// up sets an interface up with its two addresses.
func up(t testing.TB, ns *NS, index uint32, v4, v6 netip.Addr) {
	t.Helper()
	must(t, ns, func() error { return linkUp(index) })
	must(t, ns, func() error { return addAddr(index, netip.PrefixFrom(v4, 24)) })
	must(t, ns, func() error { return addAddr(index, netip.PrefixFrom(v6, 64)) })
}

// waitUp waits until an interface carries traffic: the kernel starts its
// queue a moment after the other end came up, and drops until then.
func waitUp(t testing.TB, ns *NS, index uint32) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		ready := false
		must(t, ns, func() (err error) { ready, err = isUp(index); return err })
		if ready {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("interface %d did not come up", index)
		}
	}
}

// routes sends what goes to any of dst by the gateway of its family.
func routes(t testing.TB, ns *NS, dst []netip.Prefix, gateway4, gateway6 netip.Addr) {
	t.Helper()
	for _, p := range dst {
		gateway := gateway6
		if p.Addr().Is4() {
			gateway = gateway4
		}
		must(t, ns, func() error { return addRoute(p, gateway) })
	}
}

// sysctls gives several settings one value.
func sysctls(t testing.TB, ns *NS, value string, names ...string) {
	t.Helper()
	for _, name := range names {
		must(t, ns, func() error { return netns.WriteSysctl(name, value) })
	}
}

func must(t testing.TB, ns *NS, f func() error) {
	t.Helper()
	if err := ns.Do(f); err != nil {
		t.Fatal(err)
	}
}

func everywhere() []netip.Prefix { return prefixes("0.0.0.0/0", "::/0") }

func prefixes(texts ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}
