package conformance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// startUDP answers datagrams to a port of each of ns's two addresses, until
// the test ends, as netnstest.StartApp answers connections.
func startUDP(t testing.TB, ns *netnstest.NS, port uint16) {
	t.Helper()
	for _, a := range []netip.Addr{ns.IPv4, ns.IPv6} {
		at := netip.AddrPortFrom(a, port)
		var conn net.PacketConn
		err := ns.Do(func() error {
			fd, err := unix.Socket(familyOf(a), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return err
			}
			f := os.NewFile(uintptr(fd), "udp")
			defer f.Close()
			if err := unix.Bind(fd, sockaddrOf(at)); err != nil {
				return err
			}
			conn, err = net.FilePacketConn(f)
			return err
		})
		if err != nil {
			t.Fatalf("listen on udp %s: %v", at, err)
		}
		var running sync.WaitGroup
		running.Go(func() {
			buf := make([]byte, 64)
			for {
				_, from, err := conn.ReadFrom(buf)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					_, _ = conn.WriteTo([]byte("app "+at.String()), from)
				}
			}
		})
		t.Cleanup(func() {
			_ = conn.Close()
			running.Wait()
		})
	}
}

// dialUDP sends one datagram and returns the answer.
func dialUDP(ns *netnstest.NS, o netnstest.DialOptions) (string, error) {
	var answer string
	err := ns.Do(func() error {
		fd, err := unix.Socket(familyOf(o.To.Addr()), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		tv := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
			return err
		}
		if err := unix.Connect(fd, sockaddrOf(o.To)); err != nil {
			return err
		}
		if _, err := unix.Write(fd, []byte("hello")); err != nil {
			return err
		}
		buf := make([]byte, 64)
		n, err := unix.Read(fd, buf)
		answer = string(buf[:max(n, 0)])
		return err
	})
	if err != nil {
		return "", fmt.Errorf("udp %s: %w", o.To, err)
	}
	return answer, nil
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func sockaddrOf(ap netip.AddrPort) unix.Sockaddr {
	if ap.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}
	}
	return &unix.SockaddrInet6{Addr: ap.Addr().As16(), Port: int(ap.Port())}
}
