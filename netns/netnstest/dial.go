package netnstest

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DialOptions says who connects to what.
type DialOptions struct {
	UID, GID uint32         // who owns the socket; 0 is root
	From     netip.Addr     // the source address; unset: the kernel chooses
	To       netip.AddrPort // the destination
	Timeout  time.Duration  // for the connection and for the answer; 0: 2 s
}

// Dial makes a TCP connection from inside ns, whose socket is owned as the
// options say, and returns the line that it is answered with, without its end.
// An answer of nothing is an error. Any number of goroutines may call it.
func Dial(ns *NS, o DialOptions) (answer string, err error) {
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	var fd int
	// Namespace and owner are fixed when a socket is made: only that is done
	// in there.
	err = ns.Do(func() error {
		return as(o.UID, o.GID, func() (err error) { fd, err = socket(o.To.Addr()); return err })
	})
	if err != nil {
		return "", fmt.Errorf("dial %s: %w", o.To, err)
	}
	defer unix.Close(fd)
	if err := connect(fd, o); err != nil {
		return "", fmt.Errorf("dial %s: %w", o.To, err)
	}
	answer, err = readLine(fd)
	if err != nil {
		return "", fmt.Errorf("dial %s: connected, but no answer: %w", o.To, err)
	}
	return answer, nil
}

// connect connects as o says.
func connect(fd int, o DialOptions) error {
	tv := unix.NsecToTimeval(o.Timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil { // for connect, see socket(7)
		return err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return err
	}
	// Closing resets the connection: with thousands of them in a test, none
	// keeps a port or a conntrack entry for the minutes of TIME_WAIT.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if o.From.IsValid() {
		if err := bindFrom(fd, o.From); err != nil {
			return fmt.Errorf("from %s: %w", o.From, err)
		}
	}
	for {
		// After a signal, a second call waits for the first one's connection.
		err := unix.Connect(fd, sockaddr(o.To))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EINPROGRESS): // SO_SNDTIMEO is over
			return unix.ETIMEDOUT
		}
		return err
	}
}

// bindFrom gives a socket its source address, which may be one that the host
// merely owns.
func bindFrom(fd int, a netip.Addr) error {
	level, freebind := unix.SOL_IPV6, unix.IPV6_FREEBIND
	if a.Is4() {
		level, freebind = unix.SOL_IP, unix.IP_FREEBIND
	}
	if err := unix.SetsockoptInt(fd, level, freebind, 1); err != nil {
		return err
	}
	// The port is chosen when the destination is known, so that the ports
	// do not run out (ip(7)).
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	return unix.Bind(fd, sockaddr(netip.AddrPortFrom(a, 0)))
}

// readLine reads the first line, up to 256 bytes.
func readLine(fd int) (string, error) {
	var line []byte
	buf := make([]byte, 256)
	for len(line) < len(buf) {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return "", err
		case n == 0:
			return "", fmt.Errorf("it was closed after %q", line)
		}
		line = append(line, buf[:n]...)
		if text, _, ok := strings.Cut(string(line), "\n"); ok {
			return text, nil
		}
	}
	return "", fmt.Errorf("no line in %q", line)
}

// as calls f with the thread's filesystem user and group id changed: those of
// a socket's file, which the kernel compares for "socket owner"
// (nft_meta_get_eval_skugid, xt_owner: f_cred->fsuid). They belong to the
// thread alone, and a change of them leaves its network capabilities as they
// are (setfsuid(2), capabilities(7)).
func as(uid, gid uint32, f func() error) error {
	runtime.LockOSThread()
	uid0, gid0, ok := setIDs(int(uid), int(gid))
	err := fmt.Errorf("this process cannot be user %d and group %d: it is not root, or they are not in its user namespace", uid, gid)
	if ok {
		err = f()
	}
	if _, _, ok := setIDs(uid0, gid0); !ok {
		// The thread stays locked, and ends with the goroutine.
		return fmt.Errorf("become user %d and group %d again", uid0, gid0)
	}
	runtime.UnlockOSThread()
	return err
}

// setIDs changes the thread's filesystem ids and returns what they were. These
// calls report no errors: that they worked has to be looked up.
func setIDs(uid, gid int) (uid0, gid0 int, ok bool) {
	uid0, _ = unix.SetfsuidRetUid(uid)
	gid0, _ = unix.SetfsgidRetGid(gid)
	uid1, _ := unix.SetfsuidRetUid(-1)
	gid1, _ := unix.SetfsgidRetGid(-1)
	return uid0, gid0, uid1 == uid && gid1 == gid
}
