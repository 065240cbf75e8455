package facts

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"shunt/pods"
)

// ErrAway says that nobody answers at the socket.
var ErrAway = errors.New("shunt-agent does not answer")

// Ask asks the agent whose socket is at path about a pod, and waits no longer
// than wait, nor MaxWait. The error is an Unknown if the agent has no facts, or
// wraps ErrAway if there is none to ask. An agent that ends before it has
// answered is waited for: another one is about to start.
func Ask(path string, id pods.ID, wait time.Duration) (pods.Facts, error) {
	deadline := time.Now().Add(min(wait, MaxWait))
	message, err := encodeRequest(id)
	if err != nil {
		return pods.Facts{}, err
	}
	for began := false; ; time.Sleep(min(again, time.Until(deadline))) {
		data, connected, err := exchange(path, message, deadline)
		if err == nil {
			return checked(data, id)
		}
		began = began || connected
		if retry := began && (brokeOff(err) || nobody(err)); !retry || time.Until(deadline) < again {
			if nobody(err) || brokeOff(err) || errors.Is(err, unix.EAGAIN) {
				err = fmt.Errorf("%w at %s: %w", ErrAway, path, said(err))
			}
			return pods.Facts{}, err
		}
	}
}

// again is the pause before an agent that has just ended is looked for again.
const again = 100 * time.Millisecond

// checked decodes an answer and makes sure that it is about the pod.
func checked(data []byte, id pods.ID) (pods.Facts, error) {
	f, err := decodeAnswer(data)
	if err == nil && id.UID != "" && f.UID != id.UID {
		return pods.Facts{}, fmt.Errorf("shunt-agent answers about uid %.40q: want %s", f.UID, id.UID)
	}
	return f, err
}

// errNoAnswer says that the agent closed the connection.
var errNoAnswer = errors.New("the connection was closed without an answer")

// nobody reports whether nobody listens.
func nobody(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) }

// brokeOff reports whether a connection ended before its answer.
func brokeOff(err error) bool {
	return errors.Is(err, errNoAnswer) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// said words a timeout.
func said(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return errors.New("timed out")
	}
	return err
}

// exchange sends a message and returns the answer; connected, whether somebody
// took the connection.
func exchange(path string, message []byte, deadline time.Time) (data []byte, connected bool, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, false, fmt.Errorf("make a socket: %w", err)
	}
	defer unix.Close(fd)
	// Before connecting: while the agent's backlog is full, that waits, too.
	err = within(fd, unix.SO_SNDTIMEO, deadline, func() error { return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) })
	if err != nil {
		return nil, false, fmt.Errorf("connect: %w", err)
	}
	if err := rootsOnly(fd); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	err = within(fd, unix.SO_SNDTIMEO, deadline, func() error {
		_, err := unix.SendmsgN(fd, message, nil, nil, unix.MSG_NOSIGNAL)
		return err
	})
	if err != nil {
		return nil, true, fmt.Errorf("send the request: %w", err)
	}
	err = within(fd, unix.SO_RCVTIMEO, deadline, func() error {
		data, err = receive(fd, MaxAnswer)
		return err
	})
	if err != nil {
		return nil, true, fmt.Errorf("receive the answer: %w", err)
	}
	return data, true, nil
}

// within repeats a system call that a signal interrupted, until the deadline:
// calls on sockets with a timeout are not restarted (signal(7)).
func within(fd, option int, deadline time.Time, call func() error) error {
	for {
		left := unix.NsecToTimeval(int64(max(time.Until(deadline), time.Millisecond))) // zero would be forever
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &left); err != nil {
			return err
		}
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
