package iptables

import (
	"golang.org/x/sys/unix"
)

// foreignUserNamespace reports whether the calling thread's network namespace
// belongs to another user namespace than the thread is in; false where the
// kernel, before 4.9, cannot say.
func foreignUserNamespace() bool {
	net, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(net)
	owner, err := unix.IoctlRetInt(net, unix.NS_GET_USERNS)
	if err != nil {
		return err == unix.EPERM // it is above ours
	}
	defer unix.Close(owner)
	var theirs, ours unix.Stat_t
	if unix.Fstat(owner, &theirs) != nil || unix.Stat("/proc/thread-self/ns/user", &ours) != nil {
		return false
	}
	return theirs.Dev != ours.Dev || theirs.Ino != ours.Ino
}
