package netnstest

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sockets are made by system calls here: package net decides once in a process
// whether there is IPv6, in whichever namespace it was first asked.

// socket makes a TCP socket for addresses like a.
func socket(a netip.Addr) (fd int, err error) {
	fd, err = unix.Socket(int(family(a)), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make a TCP socket: %w", err)
	}
	return fd, nil
}

// sockaddr converts an address for a system call.
func sockaddr(ap netip.AddrPort) unix.Sockaddr {
	if ap.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}
	}
	return &unix.SockaddrInet6{Addr: ap.Addr().As16(), Port: int(ap.Port())}
}

// addrPort converts an address from a system call; an IPv4 address that an
// IPv6 socket sees as mapped becomes an IPv4 address.
func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
