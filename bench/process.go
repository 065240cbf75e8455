package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// command is one process.
type command struct {
	args   []string
	stdin  string   // a file, "" for nothing
	env    []string // nil for this process's
	plugin bool     // it runs outside the namespace, and gets that as CNI_NETNS
}

// run runs the process to its end, in the namespace if there is one, and
// returns its CPU time, user and system, with that of the children that it
// waited for, and what it printed.
func (c command) run(ns *os.File) (cpu time.Duration, printed string, err error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env = c.env
	if c.stdin != "" {
		in, err := os.Open(c.stdin)
		if err != nil {
			return 0, "", err
		}
		defer in.Close()
		cmd.Stdin = in
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	switch {
	case c.plugin:
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], fmt.Sprintf("CNI_NETNS=/proc/%d/fd/%d", os.Getpid(), ns.Fd()))
		err = cmd.Start()
	case ns == nil:
		err = cmd.Start()
	default:
		err = onThread(func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter a network namespace: %w", err)
			}
			return cmd.Start()
		})
	}
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return 0, "", fmt.Errorf("%s: %w: %s", strings.Join(c.args, " "), err, strings.TrimSpace(errs.String()+out.String()))
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), out.String(), nil
}

// runAll runs one process after the other and returns their CPU time.
func runAll(ns *os.File, commands []command) (sum time.Duration, err error) {
	for _, c := range commands {
		cpu, _, err := c.run(ns)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// newNamespace makes a network namespace that lasts until the file is closed
// and the last process in it has ended.
func newNamespace() (ns *os.File, err error) {
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return ns, err
}

// onThread calls f on a thread that ends afterwards, and with it f's choice of
// a namespace.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock it
		done <- f()
	}()
	return <-done
}
