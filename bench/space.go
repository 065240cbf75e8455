package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// threadNS is the calling thread's network namespace.
const threadNS = "/proc/thread-self/ns/net"

// namespace is a network namespace without a name: it is gone when it is
// closed and the last process in it has ended.
type namespace struct{ file *os.File }

func newNamespace() (ns *namespace, err error) {
	err = elsewhere(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace (this needs root): %w", err)
		}
		file, err := os.Open(threadNS)
		ns = &namespace{file}
		return err
	})
	return ns, err
}

// do calls f on a thread in the namespace: processes that f starts are in it.
func (ns *namespace) do(f func() error) error {
	return elsewhere(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// elsewhere calls f on a thread of its own and takes the thread back to the
// network namespace that it was in.
func elsewhere(f func() error) (err error) {
	runtime.LockOSThread()
	origin, err := os.Open(threadNS)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer origin.Close()
	err = f()
	if back := unix.Setns(int(origin.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread stays locked, and ends with the goroutine.
		return errors.Join(err, fmt.Errorf("come back from a network namespace: %w", back))
	}
	runtime.UnlockOSThread()
	return err
}

// path names the namespace for processes that run elsewhere.
func (ns *namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.file.Fd())
}

func (ns *namespace) close() { ns.file.Close() }

// generation returns the number of nf_tables commits in the namespace so far,
// but for a constant.
func (ns *namespace) generation() (gen uint32, err error) {
	err = ns.do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		g, err := conn.GetGen()
		if err != nil {
			return fmt.Errorf("ask for the nf_tables generation: %w", err)
		}
		gen = g.ID
		return nil
	})
	return gen, err
}
