package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped by Lock's error when somebody else held the lock for
// the whole of the timeout.
var ErrLocked = errors.New("another process holds the lock")

// Waiting for the lock starts with firstWait and doubles up to longestWait:
// an apply takes a few milliseconds, or, with thousands of iptables rules,
// some hundred.
const (
	firstWait   = time.Millisecond
	longestWait = 50 * time.Millisecond
)

// Lock is a namespace's lock while it is held.
type Lock struct {
	file   *os.File
	unlock sync.Once
}

// File returns the open file that holds the lock. A child that inherits it
// keeps the lock held, whatever becomes of this process, until it ends or
// Unlock is called.
func (l *Lock) File() *os.File { return l.file }

// Unlock releases the lock. Calling it again does nothing.
func (l *Lock) Unlock() {
	l.unlock.Do(func() {
		// Unlocked first: a child that still has the file, or one between
		// fork and exec, would keep the lock if it were only closed.
		_ = flock(l.file, unix.LOCK_UN)
		_ = l.file.Close()
	})
}

// Lock takes the namespace's lock, which no other run of shunt that uses the
// same folder can hold at the same time. It waits for the lock no longer than
// timeout, and no longer than ctx lives. The error names who holds it, as far
// as /proc/locks says so.
//
// The lock is flock(2) on a file of the folder or, with nil, on the namespace's
// own file: one inode, whether it was reached by /proc, by a bind mount or from
// another user or mount namespace; nothing has to be writable, but whoever can
// open a namespace's file can lock it, without any privilege. The kernel
// releases the lock if the holder dies.
func (n *NS) Lock(ctx context.Context, in *Locks, timeout time.Duration) (*Lock, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	file, err := n.lockFile(in)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", n, err)
	}
	if err := wait(ctx, file, timeout); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", n, err)
	}
	return &Lock{file: file}, nil
}

// lockFile opens the file that is locked for the namespace. Flock excludes open
// files, not processes: every holder opens its own.
func (n *NS) lockFile(in *Locks) (*os.File, error) {
	if in != nil {
		return in.file(n.ino)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", n.fd)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open its file: %w", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// wait takes the lock on a file. It asks again and again instead of waiting in
// the kernel, where neither the timeout nor ctx would end it.
func wait(ctx context.Context, file *os.File, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for pause := firstWait; ; pause = min(2*pause, longestWait) {
		err := flock(file, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("timed out after %v: %w: %s", timeout, ErrLocked, holders(file))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, while another process held the lock: %s", context.Cause(ctx), holders(file))
		case <-time.After(min(pause, left)):
		}
	}
}

func flock(file *os.File, how int) error {
	for {
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
