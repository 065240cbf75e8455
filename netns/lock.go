package netns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped by Lock's error when somebody else held the lock for
// the whole of the timeout.
var ErrLocked = errors.New("another shunt run holds the lock")

// Waiting for the lock starts with firstWait and doubles up to longestWait:
// an apply takes a few milliseconds, or, with thousands of iptables rules,
// some hundred.
const (
	firstWait   = time.Millisecond
	longestWait = 50 * time.Millisecond
)

// Lock takes the namespace's lock, which no other run of shunt on this machine
// can hold at the same time, and returns what releases it. It waits for the
// lock no longer than timeout, and no longer than ctx lives.
//
// The lock is flock(2) on the namespace's own file: one inode, whether it was
// reached by /proc, by a bind mount or from another user or mount namespace;
// nothing has to be writable, and the kernel releases it if the holder dies.
func (n *NS) Lock(ctx context.Context, timeout time.Duration) (unlock func(), err error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	// flock excludes open files, not processes: every holder opens its own.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", n.fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("lock %s: open its file: %w", n, err)
	}
	if err := n.flock(ctx, fd, timeout); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return sync.OnceFunc(func() {
		// Unlocked first: a child between fork and exec has the file, too,
		// and closing alone would leave the lock with it.
		_ = unix.Flock(fd, unix.LOCK_UN)
		_ = unix.Close(fd)
	}), nil
}

// flock takes the lock on fd. It asks again and again instead of waiting in
// the kernel, where neither the timeout nor ctx would end it.
func (n *NS) flock(ctx context.Context, fd int, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", n, err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("lock %s: %w, and for more than %v; try again when it has ended, or allow more time with --lock-timeout", n, ErrLocked, timeout)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock %s: wait for another shunt run: %w", n, context.Cause(ctx))
		case <-time.After(min(wait, left)):
		}
	}
}
