package iptables

import "os"

// defaultLock is the lock that every legacy iptables of a host takes
// (XT_LOCK_NAME in iptables' iptables/xshared.h).
const defaultLock = "/run/xtables.lock"

// lockVariable names another lock file. iptables 1.8.9 obeys it; a version that
// does not fails with the name of the file that it could not open.
const lockVariable = "XTABLES_LOCKFILE"

// lockFile returns where a child's lock is to be, "" for where it would be
// anyway, and what to do when the child has ended. With a read-only /run, or
// as another user than root, the usual file cannot be opened, and a legacy
// restore gives up. A lock of our own keeps nobody else out, but in a
// namespace of a pod nobody else is at work, and runs of shunt wait for each
// other before they come here.
func (b *Backend) lockFile() (path string, done func()) {
	done = func() {}
	dir := os.TempDir()
	if b.opt.Secure {
		dir = "/tmp"
	} else if set := os.Getenv(lockVariable); set != "" {
		return set, done
	}
	// The same call as the child's (xtables_lock in iptables/xshared.c).
	f, err := os.OpenFile(defaultLock, os.O_RDONLY|os.O_CREATE, 0o600)
	if err == nil {
		f.Close()
		return "", done
	}
	own, ownErr := os.CreateTemp(dir, "shunt-xtables-*.lock")
	if ownErr == nil {
		own.Close()
		b.opt.Log.Debug("the xtables lock cannot be opened: using a lock of our own", "error", err, "lock", own.Name())
		return own.Name(), func() { os.Remove(own.Name()) }
	}
	b.opt.Log.Info("the xtables lock cannot be opened and no other file can be made: going on without a lock, so another iptables in this namespace would not wait for this one",
		"error", err, "other", ownErr)
	return os.DevNull, done
}
