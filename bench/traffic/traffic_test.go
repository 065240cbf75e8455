package traffic

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/bench/lists"
	"shunt/config"
	"shunt/netns/netnstest"
	"shunt/nftables"
	"shunt/plan"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// appPort is where applications listen; it is in no list.
const appPort = 8080

// variant is one way to redirect.
type variant struct {
	name  string
	apply func(b *testing.B, pod *netnstest.NS) // nil: nothing is redirected
	ports int                                   // that are skipped in each direction
}

func variants() []variant {
	return []variant{
		{"no rules", nil, 0},
		{"a bare redirect rule", nftText(0), 0},
		{"shunt, 0 ports", shunt(0), 0},
		{"shunt, 1,000 ports", shunt(1000), 1000},
		{"shunt, 5,000 ports", shunt(5000), 5000},
		{"a rule a port, 1,000 ports", nftText(1000), 1000},
		{"a rule a port, 5,000 ports", nftText(5000), 5000},
	}
}

// BenchmarkConnections makes connections one after the other, each to its end,
// from one client.
func BenchmarkConnections(b *testing.B) {
	for _, v := range variants() {
		top := netnstest.NewTopology(b)
		netnstest.StartProxy(b, top.Pod, config.StandardInboundPort, config.StandardOutboundPort)
		if v.apply == nil {
			netnstest.StartApp(b, top.Pod, everywhere(appPort))
		} else {
			v.apply(b, top.Pod)
		}
		netnstest.StartApp(b, top.Server, everywhere(appPort))
		connect(b, v.name+"/inbound", top.Client, netip.AddrPortFrom(top.Pod.IPv4, appPort))
		connect(b, v.name+"/outbound", top.Pod, netip.AddrPortFrom(top.Server.IPv4, appPort))
		if v.ports > 0 {
			skipped := lists.Outbound(v.ports, lists.Before)[v.ports/2].First
			netnstest.StartApp(b, top.Server, everywhere(skipped))
			connect(b, v.name+"/outbound, skipped", top.Pod, netip.AddrPortFrom(top.Server.IPv4, skipped))
		}
	}
}

func everywhere(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Unspecified(), port) }

// connect connects b.N times from a namespace, after a few times that are not
// counted.
func connect(b *testing.B, name string, from *netnstest.NS, to netip.AddrPort) {
	const uncounted = 100
	b.Run(name, func(b *testing.B) {
		from.Run(b, func() {
			for range uncounted {
				once(b, to)
			}
			for b.Loop() {
				once(b, to)
			}
		})
	})
}

// once makes a connection and resets it, so that none waits in the kernel for
// its end.
func once(b *testing.B, to netip.AddrPort) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		b.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		b.Fatalf("connect to %s: %v", to, err)
	}
	_ = unix.Close(fd)
}

// shunt applies shunt's rules.
func shunt(ports int) func(*testing.B, *netnstest.NS) {
	return func(b *testing.B, pod *netnstest.NS) {
		cfg := config.Standard()
		cfg.SkipInboundPorts, cfg.SkipOutboundPorts = nil, nil
		if ports > 0 {
			for _, r := range lists.Inbound(ports, lists.Before) {
				cfg.SkipInboundPorts = append(cfg.SkipInboundPorts, config.PortRange(r))
			}
			for _, r := range lists.Outbound(ports, lists.Before) {
				cfg.SkipOutboundPorts = append(cfg.SkipOutboundPorts, config.PortRange(r))
			}
		}
		pod.Run(b, func() {
			rules, err := nftables.Open("")
			if err != nil {
				b.Fatal(err)
			}
			defer rules.Close()
			if _, err := rules.Read(context.Background()); err != nil {
				b.Fatal(err)
			}
			if _, err := rules.Apply(context.Background(), plan.Build(cfg)); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// nftText applies redirects with a rule for each port that is skipped.
func nftText(ports int) func(*testing.B, *netnstest.NS) {
	return func(b *testing.B, pod *netnstest.NS) {
		var text strings.Builder
		chain := func(name, hook string, list []lists.Range, to int) {
			fmt.Fprintf(&text, "chain %s { type nat hook %s priority -100\n", name, hook)
			for _, r := range list {
				fmt.Fprintf(&text, "tcp dport %d accept\n", r.First)
			}
			fmt.Fprintf(&text, "meta l4proto tcp redirect to :%d\n}\n", to)
		}
		var in, out []lists.Range
		if ports > 0 {
			in, out = lists.Inbound(ports, lists.Before), lists.Outbound(ports, lists.Before)
		}
		text.WriteString("table inet bare {\n")
		chain("in", "prerouting", in, config.StandardInboundPort)
		chain("out", "output", out, config.StandardOutboundPort)
		text.WriteString("}\n")
		pod.Exec(b, text.String(), "nft", "-f", "-")
	}
}
