package cni

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// errNobodyReads is a write's error once it has waited in vain for somebody to
// read what was written before.
var errNobodyReads = errors.New("nobody reads it")

// outlet writes to a file descriptor, and waits no longer than its patience for
// somebody to read, once: after that, and after an error, it drops everything.
// Linux wants no more of a pipe that can be written (poll(2)) than room for
// PIPE_BUF bytes (pipe(7)), so no more is written at once.
type outlet struct {
	fd       int
	patience time.Duration
	dead     atomic.Pointer[error] // why nothing is written any more
}

// pipeBuf is PIPE_BUF of linux/limits.h.
const pipeBuf = 4096

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (n int, err error) {
	if dead := o.dead.Load(); dead != nil {
		return 0, *dead
	}
	deadline := time.Now().Add(o.patience)
	for n < len(p) && err == nil {
		if err = o.wait(deadline); err != nil {
			break
		}
		var wrote int
		wrote, err = unix.Write(o.fd, p[n:min(n+pipeBuf, len(p))])
		n += max(wrote, 0)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			err = nil
		}
	}
	if err != nil {
		o.dead.Store(&err)
	}
	return n, err
}

// wait returns when something can be written, or an error is to be had by trying.
func (o *outlet) wait(deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left < 0 {
			return errNobodyReads
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLOUT}}, int(left.Milliseconds())+1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// tee writes to all of its writers, whatever becomes of the others.
type tee []io.Writer

// Write implements io.Writer.
func (t tee) Write(p []byte) (int, error) {
	for _, w := range t {
		_, _ = w.Write(p)
	}
	return len(p), nil
}
