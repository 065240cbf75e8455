package netns

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrEnterDenied is wrapped by Do's error where setns(2) was not permitted. The
// error wraps fs.ErrPermission as well.
var ErrEnterDenied = errors.New("this needs CAP_SYS_ADMIN in the user namespace that owns it and in the caller's own")

// Do calls f in the namespace, on a thread that does nothing else meanwhile:
// sockets that f makes, files under /proc/thread-self that it opens and
// children that it starts are in the namespace; goroutines that it starts are
// not. It returns f's error.
//
// setns(2) is called only if the thread is not in the namespace already. That
// needs CAP_SYS_ADMIN twice, in the user namespace that owns the network
// namespace and in the caller's own, and the way back needs it in the owner of
// the namespace that was left. If the way back fails, that is an error, and
// the thread is never used again: it ends with the calling goroutine.
func (n *NS) Do(f func() error) (err error) {
	if err := n.check(); err != nil {
		return err
	}
	runtime.LockOSThread()
	inside, err := n.inside()
	if err == nil && !inside && n.current {
		// The thread moved since Current: entering would be the setns that
		// Current promises not to call, running f would be the wrong place.
		err = fmt.Errorf("work in %s: this thread has moved to another one", n)
	}
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	if inside {
		defer runtime.UnlockOSThread()
		return f()
	}
	leave, err := n.enter()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		lerr := leave()
		switch {
		case lerr == nil:
			runtime.UnlockOSThread()
		case err == nil:
			err = lerr
		default:
			err = fmt.Errorf("%w; after that: %w", err, lerr)
		}
	}()
	return f()
}

// inside reports whether the calling thread is in the namespace.
func (n *NS) inside() (bool, error) {
	var st unix.Stat_t
	if err := unix.Stat(threadNS, &st); err != nil {
		return false, fmt.Errorf("look at the current network namespace: %s: %w", threadNS, err)
	}
	return n.is(&st), nil
}

// enter moves the calling thread, which is locked, into the namespace and
// returns what moves it back.
func (n *NS) enter() (leave func() error, err error) {
	origin, err := netns.GetFromPath(threadNS)
	if err != nil {
		return nil, fmt.Errorf("open the current network namespace, to return to it: %w", err)
	}
	if err := netns.Set(n.fd); err != nil {
		_ = origin.Close()
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("enter %s: %w: %w", n, err, ErrEnterDenied)
		}
		return nil, fmt.Errorf("enter %s: %w", n, err)
	}
	return func() error {
		defer origin.Close()
		if err := netns.Set(origin); err != nil {
			return fmt.Errorf("return from %s: %w", n, err)
		}
		return nil
	}, nil
}
