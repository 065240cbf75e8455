package redirect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shunt/apply"
	"shunt/iptables"
	"shunt/netns"
)

// LockFolder is where the locks of a node's namespaces are, by default.
const LockFolder = "/run/shunt/locks"

// IsBusy reports whether an error came because another process held a lock that
// the rules need, the namespace's or that of xtables, for all of the configured
// wait.
func IsBusy(err error) bool {
	return errors.Is(err, netns.ErrLocked) || errors.Is(err, iptables.ErrXtablesLocked)
}

// takeLock takes the namespace's lock for a writer, and returns what releases it.
// Where it cannot be had, nftables goes on without it, since the kernel refuses a
// commit whose generation is stale; iptables does not: noLock says why.
func (b *backends) takeLock(ctx context.Context) (unlock func()) {
	timeout := b.cfg.LockTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/2) // there is work to do afterwards
	}
	in := b.openLocks()
	if in != nil {
		defer in.Close()
	}
	b.lock, b.noLock = b.ns.Lock(ctx, in, timeout)
	if b.noLock != nil {
		b.opt.Log.Warn("going on without the lock: nftables refuses a commit that another run has overtaken; iptables would not", "error", b.noLock)
		return func() {}
	}
	return b.lock.Unlock
}

// openLocks opens the folder of the node's locks. Nil: there is none, as in a
// container, or it cannot be used, and the namespace's own file is the lock.
func (b *backends) openLocks() *netns.Locks {
	path := b.opt.Locks
	if path == "" {
		path = LockFolder
	}
	in, err := netns.OpenLocks(path, b.opt.MakeLocks)
	if err == nil {
		return in
	}
	if b.opt.MakeLocks || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		b.opt.Log.Warn("locking the network namespace's own file instead, which any process that can open it can lock", "error", err)
	}
	return nil
}

// exclusive fails for a writer of iptables that does not have the lock.
func (b *backends) exclusive() error {
	if b.noLock != nil {
		return fmt.Errorf("iptables is written by one process at a time: %w", b.noLock)
	}
	return nil
}

// unlocked is an owner that can be read, and not cleared for want of the lock.
type unlocked struct {
	apply.Owner
	err error
}

func (u unlocked) Clear(context.Context, apply.Snapshot) (int, error) { return 0, u.err }
