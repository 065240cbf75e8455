package netnstest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	inbound, outbound = 4143, 4140
	appPort           = 8080
	proxyUID          = 2102
)

func TestWithoutRules(t *testing.T) {
	t.Parallel()
	top := NewTopology(t)
	StartProxy(t, top.Pod, inbound, outbound)
	everyAddr := netip.AddrPortFrom(netip.IPv6Unspecified(), appPort)
	for _, ns := range []*NS{top.Pod, top.Server, top.Behind} {
		StartApp(t, ns, everyAddr)
	}
	podSide4, podSide6 := linkAddrs(2, 1)
	for _, test := range []struct {
		name     string
		from     *NS
		src, dst []netip.Addr
	}{
		{"client to pod", top.Client, nil, []netip.Addr{top.Pod.IPv4, top.Pod.IPv6}},
		{"client to pod, from addresses it owns", top.Client, addrs("10.7.7.7", "fd01::7"), []netip.Addr{top.Pod.IPv4, top.Pod.IPv6}},
		{"client to what is behind the pod", top.Client, nil, []netip.Addr{top.Behind.IPv4, top.Behind.IPv6}},
		{"pod to server", top.Pod, nil, []netip.Addr{top.Server.IPv4, top.Server.IPv6}},
		{"pod to server, from a chosen address", top.Pod, []netip.Addr{podSide4, podSide6}, []netip.Addr{top.Server.IPv4, top.Server.IPv6}},
		{"pod to addresses that server owns", top.Pod, nil, addrs("172.20.1.1", "198.51.100.9", "10.150.0.1", "fd02::1", "2001:db8:1::1")},
		{"pod to itself", top.Pod, nil, append(addrs("127.0.0.1", "::1"), top.Pod.IPv4, top.Pod.IPv6)},
		{"behind to server", top.Behind, nil, []netip.Addr{top.Server.IPv4, top.Server.IPv6}},
		{"server to pod", top.Server, nil, []netip.Addr{podSide4, podSide6}},
	} {
		for i, dst := range test.dst {
			o := DialOptions{To: netip.AddrPortFrom(dst, appPort)}
			if test.src != nil {
				o.From = test.src[i]
			}
			t.Run(fmt.Sprintf("%s %s", test.name, dst), func(t *testing.T) {
				expect(t, test.from, o, "app "+o.To.String())
			})
		}
	}
}

// A first packet that is lost, because a neighbour or an address is not ready,
// is sent again after a second (RFC 6298).
func TestFirstPacketsAreNotLost(t *testing.T) {
	t.Parallel()
	top := NewTopology(t)
	StartApp(t, top.Server, netip.AddrPortFrom(netip.IPv6Unspecified(), appPort))
	for _, dst := range []netip.Addr{top.Server.IPv6, top.Server.IPv4} {
		o := DialOptions{To: netip.AddrPortFrom(dst, appPort), Timeout: 5 * time.Second}
		expect(t, top.Client, o, "app "+o.To.String())
	}
	if n := retransmitted(t, top.Client); n != "0" {
		t.Errorf("%s segments were sent again", n)
	}
}

// retransmitted returns how many TCP segments a namespace has sent again
// (RetransSegs in proc_net_snmp, net/ipv4/proc.c).
func retransmitted(t *testing.T, ns *NS) string {
	t.Helper()
	var text []byte
	ns.Run(t, func() {
		var err error
		if text, err = os.ReadFile("/proc/thread-self/net/snmp"); err != nil {
			t.Fatal(err)
		}
	})
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if i := slices.Index(names, "RetransSegs"); i >= 0 && fields[0] == "Tcp:" {
			return fields[i]
		}
		names = fields
	}
	t.Fatalf("no count of retransmitted segments in\n%s", text)
	return ""
}

// redirect does by hand what shunt is there for.
const redirect = `table inet test {
	chain inbound {
		type nat hook prerouting priority -100
		meta l4proto tcp redirect to :4143
	}
	chain outbound {
		type nat hook output priority -100
		meta skuid 2102 return
		meta skgid 2103 return
		oifname "lo" return
		meta l4proto tcp redirect to :4140
	}
}
`

func TestRedirected(t *testing.T) {
	t.Parallel()
	top := NewTopology(t)
	top.Pod.Exec(t, redirect, "nft", "-f", "-")
	StartProxy(t, top.Pod, inbound, outbound)
	for _, ns := range []*NS{top.Pod, top.Server, top.Behind} {
		StartApp(t, ns, netip.AddrPortFrom(netip.IPv6Unspecified(), appPort))
	}
	for _, test := range []struct {
		name     string
		from     *NS
		uid, gid uint32
		dst      []netip.Addr
		port     uint16
		want     string // before the destination
	}{
		{"inbound", top.Client, 0, 0, []netip.Addr{top.Pod.IPv4, top.Pod.IPv6}, appPort, "proxy inbound "},
		{"inbound to a port where nobody listens", top.Client, 0, 0, []netip.Addr{top.Pod.IPv4, top.Pod.IPv6}, 9, "proxy inbound "},
		{"forwarded", top.Client, 0, 0, []netip.Addr{top.Behind.IPv4, top.Behind.IPv6}, appPort, "proxy inbound "},
		{"outbound", top.Pod, 0, 0, []netip.Addr{top.Server.IPv4, top.Server.IPv6}, appPort, "proxy outbound "},
		{"outbound to an owned address", top.Pod, 0, 0, addrs("203.0.113.5", "2001:db8::5"), 443, "proxy outbound "},
		{"outbound as another user", top.Pod, 1000, 1000, []netip.Addr{top.Server.IPv4, top.Server.IPv6}, appPort, "proxy outbound "},
		{"outbound as the exempt user", top.Pod, proxyUID, 0, []netip.Addr{top.Server.IPv4, top.Server.IPv6}, appPort, "app "},
		{"outbound as the exempt group", top.Pod, 1000, 2103, []netip.Addr{top.Server.IPv4, top.Server.IPv6}, appPort, "app "},
		{"by loopback", top.Pod, 0, 0, addrs("127.0.0.1", "::1"), appPort, "app "},
		{"straight to the proxy", top.Pod, 0, 0, addrs("127.0.0.1", "::1"), outbound, "proxy outbound "},
	} {
		for _, dst := range test.dst {
			t.Run(fmt.Sprintf("%s %s", test.name, dst), func(t *testing.T) {
				IDs(t, test.uid, test.gid)
				o := DialOptions{UID: test.uid, GID: test.gid, To: netip.AddrPortFrom(dst, test.port)}
				expect(t, test.from, o, test.want+o.To.String())
			})
		}
	}
	t.Run("again as root after other users", func(t *testing.T) {
		o := DialOptions{To: netip.AddrPortFrom(top.Server.IPv4, appPort)}
		expect(t, top.Pod, o, "proxy outbound "+o.To.String())
	})
}

func TestNoOriginalDestination(t *testing.T) {
	t.Parallel()
	ns := New(t) // without a rule that needs it, there is no connection tracking
	StartProxy(t, ns, inbound, outbound)
	for _, dst := range addrs("127.0.0.1", "::1") {
		expect(t, ns, DialOptions{To: netip.AddrPortFrom(dst, inbound)}, "proxy inbound none")
	}
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	top := NewTopology(t)
	top.Pod.Exec(t, `table inet test {
		chain input {
			type filter hook input priority 0
			tcp dport 81 drop
		}
	}`, "nft", "-f", "-")
	for _, test := range []struct {
		name string
		o    DialOptions
		want error
	}{
		{"nobody listens", DialOptions{To: netip.AddrPortFrom(top.Pod.IPv4, 80)}, unix.ECONNREFUSED},
		{"nobody listens, IPv6", DialOptions{To: netip.AddrPortFrom(top.Pod.IPv6, 80)}, unix.ECONNREFUSED},
		{"no answer", DialOptions{To: netip.AddrPortFrom(top.Pod.IPv4, 81), Timeout: 50 * time.Millisecond}, unix.ETIMEDOUT},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			answer, err := Dial(top.Client, test.o)
			if !errors.Is(err, test.want) {
				t.Errorf("answer %q, error %v, want %v", answer, err, test.want)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("an id that no user namespace has", func(t *testing.T) {
		_, err := Dial(top.Client, DialOptions{UID: 4294967295, To: netip.AddrPortFrom(top.Pod.IPv4, 80)})
		if err == nil || !strings.Contains(err.Error(), "cannot be user 4294967295") {
			t.Errorf("error %v", err)
		}
	})
}

func TestManyUsersAtOnce(t *testing.T) {
	t.Parallel()
	IDs(t, proxyUID, 1000)
	top := NewTopology(t)
	top.Pod.Exec(t, redirect, "nft", "-f", "-")
	StartProxy(t, top.Pod, inbound, outbound)
	StartApp(t, top.Server, netip.AddrPortFrom(netip.IPv6Unspecified(), appPort))
	var running sync.WaitGroup
	for i := range 8 {
		uid, want := uint32(1000), "proxy outbound "
		if i%2 == 0 {
			uid, want = proxyUID, "app "
		}
		running.Go(func() {
			for range 100 {
				o := DialOptions{UID: uid, To: netip.AddrPortFrom(top.Server.IPv4, appPort)}
				answer, err := Dial(top.Pod, o)
				if err != nil || answer != want+o.To.String() {
					t.Errorf("user %d: answer %q, error %v, want %q", uid, answer, err, want+o.To.String())
					return
				}
			}
		})
	}
	running.Wait()
}

func BenchmarkDial(b *testing.B) {
	top := NewTopology(b)
	top.Pod.Exec(b, redirect, "nft", "-f", "-")
	StartProxy(b, top.Pod, inbound, outbound)
	StartApp(b, top.Server, netip.AddrPortFrom(netip.IPv6Unspecified(), appPort))
	for _, bench := range []struct {
		name string
		uid  uint32
		dst  netip.Addr
	}{
		{"redirected IPv4", 0, top.Server.IPv4},
		{"redirected IPv6", 0, top.Server.IPv6},
		{"exempt", proxyUID, top.Server.IPv4},
	} {
		b.Run(bench.name, func(b *testing.B) {
			IDs(b, bench.uid)
			for b.Loop() {
				o := DialOptions{UID: bench.uid, To: netip.AddrPortFrom(bench.dst, appPort)}
				if _, err := Dial(top.Pod, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewTopology(b *testing.B) {
	for b.Loop() {
		NewTopology(b)
	}
}

func expect(t *testing.T, ns *NS, o DialOptions, want string) {
	t.Helper()
	answer, err := Dial(ns, o)
	if err != nil {
		t.Error(err)
	} else if answer != want {
		t.Errorf("dial %s: answered %q, want %q", o.To, answer, want)
	}
}

func addrs(texts ...string) []netip.Addr {
	as := make([]netip.Addr, len(texts))
	for i, s := range texts {
		as[i] = netip.MustParseAddr(s)
	}
	return as
}
