package iptables

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runParked is cmd.Run, except that it waits for the child's end in the
// runtime's poller (a pidfd is readable then) and not in a system call: the Go
// runtime looks after a thread in a system call every 20 µs, which costs a
// tenth of what the commands themselves cost.
func runParked(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	fd := -1 // stays so on kernels before 5.4, which have none
	cmd.SysProcAttr.PidFD = &fd
	if err := cmd.Start(); err != nil {
		return err
	}
	if fd >= 0 {
		park(fd)
	}
	return cmd.Wait()
}

// park returns when the process of a pidfd has ended, or when that cannot be
// waited for, and closes the pidfd.
func park(fd int) {
	_ = unix.SetNonblock(fd, true) // what os.NewFile goes by
	f := os.NewFile(uintptr(fd), "child")
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) (ended bool) {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			if err != unix.EINTR {
				return n != 0 || err != nil
			}
		}
	})
	// os.Process waits on a duplicate, which shares the flag: a wait that comes
	// too early would fail with EAGAIN instead of waiting.
	_ = conn.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), false) })
}

// attach gives a child its input, and places for its output and its
// complaints, which output returns when the child has ended. They are files in
// memory where that can be: the child never waits for us and we never wake for
// it, which with pipes costs as much as the commands themselves do.
func attach(cmd *exec.Cmd, input []byte, pipes bool) (output func() (stdout, stderr string, err error), done func()) {
	if !pipes {
		if output, done, err := attachMemory(cmd, input); err == nil {
			return output, done
		}
	}
	var stdout, stderr strings.Builder
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a child of the child may hold them
	return func() (string, string, error) { return stdout.String(), stderr.String(), nil }, func() {}
}

// selinux reports whether this system has SELinux. It may give iptables a
// domain of its own, and then take away, without a word, files that were made
// in ours; pipes it leaves.
func selinux() bool {
	_, err := os.Stat("/sys/fs/selinux/enforce")
	return err == nil
}

func attachMemory(cmd *exec.Cmd, input []byte) (output func() (string, string, error), done func(), err error) {
	var files []*os.File // standard input, output, error
	done = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, text := range [][]byte{input, nil, nil} {
		f, err := memoryFile(text)
		if err != nil {
			done()
			return nil, nil, err
		}
		files = append(files, f)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	output = func() (string, string, error) {
		stdout, err1 := contents(files[1])
		stderr, err2 := contents(files[2])
		return stdout, stderr, errors.Join(err1, err2)
	}
	return output, done, nil
}

// memoryFile returns a file in memory that holds text.
func memoryFile(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("shunt", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// contents returns all that a child wrote to a memory file.
func contents(f *os.File) (string, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "", err
	}
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	var b strings.Builder
	b.Grow(int(size))
	_, err = io.Copy(&b, f)
	return b.String(), err
}
