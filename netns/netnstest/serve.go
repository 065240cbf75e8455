package netnstest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StartProxy starts a stand-in for Linkerd's proxy in ns, until the test ends.
// It listens where the proxy does: on the inbound port of every address, and
// on the outbound port of 127.0.0.1 and, where there is one, of ::1. It
// answers each connection with one line, and closes it:
//
//	proxy inbound 10.200.1.1:8080
//
// the listener and the connection's original destination (SO_ORIGINAL_DST),
// or "none" where the kernel knows no original destination.
func StartProxy(t testing.TB, ns *NS, inbound, outbound uint16) {
	t.Helper()
	serve(t, ns, netip.AddrPortFrom(netip.IPv6Unspecified(), inbound), proxyAnswer("inbound"))
	serve(t, ns, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), outbound), proxyAnswer("outbound"))
	if hasAddr(t, ns, netip.IPv6Loopback()) {
		serve(t, ns, netip.AddrPortFrom(netip.IPv6Loopback(), outbound), proxyAnswer("outbound"))
	}
}

// StartApp starts an application in ns, until the test ends. It listens on
// addr, where [::] means every address of both families, answers each
// connection with one line that has the address it came to, and closes it:
//
//	app 10.200.2.2:80
//
// With port 0 the kernel chooses one. StartApp returns the port.
func StartApp(t testing.TB, ns *NS, addr netip.AddrPort) uint16 {
	t.Helper()
	return serve(t, ns, addr, func(_ int, local netip.AddrPort) string { return "app " + local.String() })
}

// serve listens on addr in ns and answers each connection with what answer
// returns for its socket and local address.
func serve(t testing.TB, ns *NS, addr netip.AddrPort, answer func(fd int, local netip.AddrPort) string) uint16 {
	t.Helper()
	fd, port, err := listen(ns, addr)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { accept(t, fd, answer) })
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RD) // ends the accept that waits
		running.Wait()
		_ = unix.Close(fd)
	})
	return port
}

// listen makes a listening socket in ns. It belongs to ns forever; the threads
// that use it need not be.
func listen(ns *NS, addr netip.AddrPort) (fd int, port uint16, err error) {
	err = ns.Do(func() (err error) { fd, err = socket(addr.Addr()); return err })
	if err != nil {
		return -1, 0, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if addr.Addr().Is6() {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(addr))
	}
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	var sa unix.Sockaddr
	if err == nil {
		sa, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, 0, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return fd, addrPort(sa).Port(), nil
}

// accept answers connections until the listener is shut down.
func accept(t testing.TB, listener int, answer func(fd int, local netip.AddrPort) string) {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINVAL): // shut down
			return
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
			continue
		case err != nil:
			t.Errorf("accept: %v", err)
			return
		}
		// A client that has gone cannot be told, and notices itself.
		if sa, err := unix.Getsockname(fd); err == nil {
			_, _ = unix.Write(fd, []byte(answer(fd, addrPort(sa))+"\n"))
		}
		_ = unix.Close(fd)
	}
}

// proxyAnswer answers with the original destination.
func proxyAnswer(listener string) func(int, netip.AddrPort) string {
	return func(fd int, local netip.AddrPort) string {
		dst := "none"
		if ap, err := originalDst(fd, local.Addr()); err == nil {
			dst = ap.String()
		}
		return "proxy " + listener + " " + dst
	}
}

// originalDst asks where a connection was going before it was redirected. It
// is answered for the address that the connection came to, so a connection
// over IPv4 is asked about as such on an IPv6 socket, too.
func originalDst(fd int, local netip.Addr) (netip.AddrPort, error) {
	// SO_ORIGINAL_DST of linux/netfilter_ipv4.h and IP6T_SO_ORIGINAL_DST of
	// linux/netfilter_ipv6/ip6_tables.h: both 80. They fill in a sockaddr_in
	// or sockaddr_in6, whose first 8 and 24 bytes hold port and address.
	const originalDst = 80
	level := unix.SOL_IPV6
	if local.Is4() {
		level = unix.SOL_IP
	}
	var sa unix.RawSockaddrInet6
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), originalDst,
		uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	if local.Is4() {
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&sa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa4.Addr), port), nil
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), port), nil
}

// hasAddr reports whether a is an address of ns: whether a socket can be bound
// to it.
func hasAddr(t testing.TB, ns *NS, a netip.Addr) bool {
	t.Helper()
	fd, _, err := listen(ns, netip.AddrPortFrom(a, 0))
	switch {
	case err == nil:
		_ = unix.Close(fd)
		return true
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EAFNOSUPPORT):
		return false
	}
	t.Fatal(err)
	return false
}
