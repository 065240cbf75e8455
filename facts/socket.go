package facts

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// rootsOnly fails if the process at the other end of a connection is not
// root's.
func rootsOnly(fd int) error {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return fmt.Errorf("ask who is at the other end of the socket: %w", err)
	}
	if peer.Uid != 0 {
		return fmt.Errorf("the process at the other end of the socket is user %d's: want root's", peer.Uid)
	}
	return nil
}

// receive reads one datagram. One that is longer than most bytes is an error, and
// never a shorter one. An end is errNoAnswer.
func receive(fd, most int) ([]byte, error) {
	n, _, _, _, err := unix.Recvmsg(fd, nil, nil, unix.MSG_PEEK|unix.MSG_TRUNC) // its length, all of it
	switch {
	case err != nil:
		return nil, err
	case n > most:
		return nil, fmt.Errorf("a message of %d bytes: want at most %d", n, most)
	case n == 0:
		return nil, errNoAnswer
	}
	buf := make([]byte, n)
	n, _, flags, _, err := unix.Recvmsg(fd, buf, nil, 0)
	if err == nil && (n != len(buf) || flags&unix.MSG_TRUNC != 0) {
		err = fmt.Errorf("a message of %d bytes was cut off after %d", len(buf), n)
	}
	return buf, err
}
