// Package netns says which network namespace shunt works in, and works there:
// the caller's own, without any privilege, or another one, by setns(2).
//
// It uses github.com/vishvananda/netns to open a namespace's file and to enter
// it. It makes its own system calls where that package has none (the check
// that a file is a network namespace, the lock) or the wrong one: its Get
// names the thread by process and thread id, which a /proc that belongs to
// another pid namespace numbers differently; /proc/thread-self does not.
package netns

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// threadNS is the network namespace of the thread that looks (proc_pid_ns(5);
// thread-self since Linux 3.17). /proc/self would be the main thread's.
const threadNS = "/proc/thread-self/ns/net"

// ErrNotNamespace is wrapped by Open's error for a path that exists and is no
// network namespace. A path that does not exist wraps fs.ErrNotExist.
var ErrNotNamespace = errors.New("not a network namespace")

// NS is an open network namespace. The zero NS is none: everything but Close
// fails on it, so that an unset one never means the caller's own namespace. An
// NS may be used by several goroutines, but not while it is being closed.
type NS struct {
	fd       netns.NsHandle // above 0 while open
	dev, ino uint64         // of the namespace's file: its identity
	name     string         // what the operator called it
	current  bool           // made by Current: never entered, only checked
}

// Current returns the calling thread's network namespace. It needs no
// privilege, and no method of what it returns calls setns(2).
func Current() (*NS, error) {
	n, err := open(threadNS)
	if err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("open the current network namespace: %s: %w: is /proc mounted?", threadNS, err)
		}
		return nil, fmt.Errorf("open the current network namespace: %s: %w", threadNS, err)
	}
	n.name, n.current = "the current network namespace", true
	return n, nil
}

// Open returns the network namespace whose file is at path, for example
// /run/netns/NAME or /proc/PID/ns/net. Only Do needs privileges for it.
func Open(path string) (*NS, error) {
	if path == "" {
		return nil, errors.New("open network namespace: its path is empty")
	}
	n, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", path, err)
	}
	n.name = "network namespace " + path
	return n, nil
}

// OpenPID returns the network namespace of the process with that id, as this
// process's /proc numbers it.
func OpenPID(pid int) (*NS, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("open the network namespace of process %d: a process id is above 0", pid)
	}
	n, err := open(fmt.Sprintf("/proc/%d/ns/net", pid))
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("open the network namespace of process %d: %w: no such process here; in a container, process ids are the container's own unless it has hostPID", pid, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return nil, fmt.Errorf("open the network namespace of process %d: %w: this needs the right to trace it: the same user and no more capabilities than this process, or CAP_SYS_PTRACE", pid, err)
	case err != nil:
		return nil, fmt.Errorf("open the network namespace of process %d: %w", pid, err)
	}
	n.name = fmt.Sprintf("the network namespace of process %d", pid)
	return n, nil
}

// open opens the file at path after checking what it is: opening a named pipe
// would block, and opening a device can do something. What is checked is what is
// opened, even if another file takes the path meanwhile.
func open(path string) (*NS, error) {
	at, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(at, &fs); err != nil {
		return nil, err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, fmt.Errorf("%s, %w", kind(at), ErrNotNamespace)
	}
	fd, err := netns.GetFromPath(fmt.Sprintf("/proc/self/fd/%d", at))
	if err != nil {
		return nil, err
	}
	n := &NS{fd: fd}
	if err := n.identify(); err != nil {
		_ = n.Close()
		return nil, err
	}
	return n, nil
}

// kind says for people what a file is.
func kind(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "something else"
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFREG:
		return "a plain file (under /run/netns: what a deleted namespace left)"
	}
	return "a device, pipe or socket"
}

// identify checks that n.fd is a network namespace (NS_GET_NSTYPE,
// ioctl_nsfs(2), Linux 4.11) and notes which.
func (n *NS) identify() error {
	if n.fd <= 0 {
		return fmt.Errorf("it got file descriptor %d, which is never taken for a namespace: keep standard input open", n.fd)
	}
	typ, err := unix.IoctlRetInt(int(n.fd), unix.NS_GET_NSTYPE)
	if err != nil {
		return fmt.Errorf("ask for its type: %w", err)
	}
	if typ != unix.CLONE_NEWNET {
		return fmt.Errorf("%s namespace, %w", nsType(typ), ErrNotNamespace)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(n.fd), &st); err != nil {
		return fmt.Errorf("ask for its identity: %w", err)
	}
	n.dev, n.ino = st.Dev, st.Ino
	return nil
}

// nsType names a namespace type by its clone flag (namespaces(7)).
func nsType(flag int) string {
	switch flag {
	case unix.CLONE_NEWNS:
		return "a mount"
	case unix.CLONE_NEWPID:
		return "a pid"
	case unix.CLONE_NEWUSER:
		return "a user"
	case unix.CLONE_NEWUTS:
		return "a uts"
	case unix.CLONE_NEWIPC:
		return "an ipc"
	case unix.CLONE_NEWCGROUP:
		return "a cgroup"
	case unix.CLONE_NEWTIME:
		return "a time"
	}
	return fmt.Sprintf("an unknown (%#x)", flag)
}

// check fails on a namespace that is not open.
func (n *NS) check() error {
	if n == nil || n.fd <= 0 {
		return errors.New("network namespace: none is open (it was never opened, or is closed)")
	}
	return nil
}

// FD returns the namespace's file descriptor, -1 if none is open. It is for
// comparing and passing on: nftables.WithNetNSFd enters what it is given, even
// the caller's own namespace, so rules are written inside Do instead.
func (n *NS) FD() int {
	if n.check() != nil {
		return -1
	}
	return int(n.fd)
}

// Close lets go of the namespace. Closing it again does nothing.
func (n *NS) Close() error {
	if n.check() != nil {
		return nil
	}
	fd := n.fd
	n.fd = 0
	if err := fd.Close(); err != nil {
		return fmt.Errorf("close %s: %w", n.name, err)
	}
	return nil
}

// ID identifies the namespace on this machine, as "device:inode" of its file,
// for as long as it lives; the inode is the number in net:[…].
func (n *NS) ID() string {
	if n.check() != nil {
		return "none"
	}
	return fmt.Sprintf("%d:%d", n.dev, n.ino)
}

// String names the namespace for people: "the current network namespace
// net:[4026531833]".
func (n *NS) String() string {
	if n.check() != nil {
		return "no network namespace"
	}
	return fmt.Sprintf("%s net:[%d]", n.name, n.ino)
}

// Same reports whether both are the same, open namespace.
func (n *NS) Same(other *NS) bool {
	return n.check() == nil && other.check() == nil && n.dev == other.dev && n.ino == other.ino
}

// is reports whether st is of the namespace's file.
func (n *NS) is(st *unix.Stat_t) bool {
	return n.dev == st.Dev && n.ino == st.Ino
}
