package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// How a connection that is not redirected shows itself, beside the errors of
// the kernel.
var (
	errNoAnswer  = errors.New("no answer")
	errElsewhere = errors.New("something else answered")
)

// errListen says that there was no listening, and no attempt.
var errListen = errors.New("listen")

// The time of one attempt to connect, and of the pause before the next. A
// connection that is redirected stays on the loopback interface, and takes
// microseconds.
const (
	attemptTime  = time.Second
	attemptPause = 100 * time.Millisecond
)

// redirected tries until the deadline to connect to an address, and returns nil
// once such a connection has arrived at listen, on this host, instead. Each
// attempt is a connection of its own: the kernel asks the rules about the first
// packet of one only. The error is that of the last attempt, or of listening.
//
// Sockets are made by system calls: package net is a third of a megabyte in a
// program that runs as a CNI plugin.
func redirected(ctx context.Context, listen, to netip.AddrPort, deadline time.Time, log *slog.Logger) error {
	listener, err := listenAt(listen)
	if err != nil {
		return fmt.Errorf("%w at %s: %w", errListen, listen, err)
	}
	defer unix.Close(listener)
	log.InfoContext(ctx, "listening", "addr", listen.String())
	token := make([]byte, 32)
	if _, err := unix.Getrandom(token, 0); err != nil {
		return fmt.Errorf("read random bytes: %w", err)
	}
	log.InfoContext(ctx, "connecting", "addr", to.String())
	for {
		err := attempt(listener, to, token, earlier(deadline, time.Now().Add(attemptTime)))
		if err == nil {
			return nil
		}
		log.DebugContext(ctx, "not redirected", "addr", to.String(), "err", err)
		if time.Until(deadline) <= attemptPause {
			return err
		}
		time.Sleep(attemptPause)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// attempt connects once. Whoever reaches the listener is sent the token; that
// this connection receives it is the proof.
func attempt(listener int, to netip.AddrPort, token []byte, deadline time.Time) error {
	client, err := tcpSocket(to)
	if err != nil {
		return err
	}
	defer unix.Close(client)
	if err := unix.Connect(client, sockaddr(to)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	var got []byte
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}, {Fd: int32(client), Events: unix.POLLIN}}
		left := time.Until(deadline)
		if left <= 0 {
			if _, err := unix.Getpeername(client); err == nil {
				return errElsewhere // connected, and not to us
			}
			return errNoAnswer
		}
		// Rounded up: less than a millisecond is not yet the end.
		if _, err := unix.Poll(ready, int(left/time.Millisecond)+1); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for the connection: %w", err)
		}
		if ready[0].Revents != 0 {
			serveToken(listener, token)
		}
		if ready[1].Revents == 0 {
			continue
		}
		buf := make([]byte, len(token))
		n, err := unix.Read(client, buf)
		switch got = append(got, buf[:max(n, 0)]...); {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil:
			return err
		case bytes.Equal(got, token):
			return nil
		case n == 0, !bytes.HasPrefix(token, got):
			return errElsewhere
		}
	}
}

// serveToken accepts a connection and sends it the token. One that went away
// meanwhile is not ours to report.
func serveToken(listener int, token []byte) {
	fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	_ = unix.Send(fd, token, unix.MSG_NOSIGNAL)
	_ = unix.Close(fd)
}

func listenAt(addr netip.AddrPort) (fd int, err error) {
	if fd, err = tcpSocket(addr); err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && addr.Addr().Is6() { // [::] is both families, whatever net.ipv6.bindv6only says
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if err == nil {
		err = unix.Bind(fd, sockaddr(addr))
	}
	if err == nil {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func tcpSocket(addr netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	return unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}
	}
	return &unix.SockaddrInet6{Addr: addr.Addr().As16(), Port: int(addr.Port())}
}
