package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// held is a connection that stays open.
type held struct {
	flow
	to    netip.AddrPort
	conn  net.Conn
	lines *bufio.Reader
	who   string // answered first: "app" or "proxy"
}

// startEcho listens in ns and answers each line of a connection with its own
// name and that line, until the test ends.
func startEcho(t testing.TB, ns *netnstest.NS, name string, at netip.AddrPort) {
	t.Helper()
	var l net.Listener
	err := ns.Do(func() error {
		fd, err := unix.Socket(familyOf(at.Addr()), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "echo")
		defer f.Close()
		if at.Addr().Is6() {
			err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 0)
		}
		if err == nil {
			err = unix.Bind(fd, sockaddrOf(at))
		}
		if err == nil {
			err = unix.Listen(fd, unix.SOMAXCONN)
		}
		if err == nil {
			l, err = net.FileListener(f)
		}
		return err
	})
	if err != nil {
		t.Fatalf("listen on %s: %v", at, err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { echo(c, name) })
			t.Cleanup(func() { _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
	})
}

func echo(c net.Conn, name string) {
	for lines := bufio.NewReader(c); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, name+" "+line)
	}
}

// startEchoProxy is netnstest.StartProxy for connections that stay open.
func (s *stage) startEchoProxy() {
	s.Helper()
	startEcho(s, s.Pod, "proxy", netip.AddrPortFrom(netip.IPv6Unspecified(), inboundPort))
	startEcho(s, s.Pod, "proxy", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), outboundPort))
	startEcho(s, s.Pod, "proxy", netip.AddrPortFrom(netip.IPv6Loopback(), outboundPort))
	for _, port := range []uint16{alwaysSkipped, alwaysRedirected} {
		startEcho(s, s.Pod, "app", netip.AddrPortFrom(netip.IPv6Unspecified(), port))
		startEcho(s, s.Server, "app", netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	}
}

// hold opens connections in both directions and families to both ports.
func (s *stage) hold() []*held {
	s.Helper()
	var all []*held
	for _, f := range append(inbound(redirected, alwaysSkipped, alwaysRedirected), outbound(redirected, alwaysSkipped, alwaysRedirected)...) {
		for _, o := range s.dials(f) {
			h := &held{flow: f, to: o.To}
			if err := h.open(s.host(f.from)); err != nil {
				s.Fatalf("%v to %v: %v", f, o.To, err)
			}
			s.Cleanup(func() { _ = h.conn.Close() })
			who, err := h.exchange()
			if err != nil {
				s.Fatalf("%v to %v: %v", f, o.To, err)
			}
			h.who = who
			all = append(all, h)
		}
	}
	return all
}

func (h *held) open(ns *netnstest.NS) error {
	return ns.Do(func() error {
		fd, err := unix.Socket(familyOf(h.to.Addr()), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "held")
		defer f.Close()
		if err := unix.Connect(fd, sockaddrOf(h.to)); err != nil {
			return err
		}
		h.conn, err = net.FileConn(f)
		h.lines = bufio.NewReader(h.conn)
		return err
	})
}

// exchange sends a line and returns who answered it.
func (h *held) exchange() (who string, err error) {
	_ = h.conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(h.conn, "hello\n"); err != nil {
		return "", err
	}
	line, err := h.lines.ReadString('\n')
	if err != nil {
		return "", err
	}
	if _, err := fmt.Sscanf(line, "%s hello\n", &who); err != nil {
		return "", fmt.Errorf("answer %q: %w", line, err)
	}
	return who, nil
}

// fate says what has become of a connection.
func (h *held) fate() string {
	who, err := h.exchange()
	switch {
	case err == nil && who == h.who:
		return "alive"
	case err == nil:
		return "answered by " + who
	case isErrno(err, unix.ECONNRESET), isErrno(err, unix.EPIPE), errors.Is(err, io.EOF):
		return "reset"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer"
	}
	return err.Error()
}
