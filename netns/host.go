package netns

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The initial namespaces' inodes, where the kernel fixes them; no other
// namespace ever has these, since those that are given out begin above
// (PROC_DYNAMIC_FIRST in fs/proc/generic.c).
const (
	initialNet = 0xEFFFFFF9 // since Linux 6.18: NET_NS_INIT_INO in include/uapi/linux/nsfs.h
	initialPID = 0xEFFFFFFC // since Linux 3.8: PROC_PID_INIT_INO in include/linux/proc_ns.h
)

// IsInitial reports whether the namespace is known, by its inode, to be the one
// that the machine was started with. Before Linux 6.18 it never is.
func (n *NS) IsInitial() bool {
	return n.check() == nil && n.ino == initialNet
}

// IsHost reports whether the namespace is the host's own: the initial one, or
// that of process 1. In a container, process 1 is the container's own first
// process, and so the host's only where OnHost holds.
//
// The error says what could not be looked at, so that the namespace may be the
// host's although host is false.
func (n *NS) IsHost() (host bool, err error) {
	if err := n.check(); err != nil {
		return false, err
	}
	if n.IsInitial() {
		return true, nil
	}
	const file = "/proc/1/ns/net"
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return false, fmt.Errorf("look at the network namespace of process 1: %s: %w", file, err)
	}
	return n.is(&st), nil
}

// OnHost reports whether the caller is in the initial PID namespace, so that
// process 1 is the machine's own.
func OnHost() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/pid", &st) == nil && st.Ino == initialPID
}
