package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// makeup is what a run consists of, found by tracing it: tracing costs time,
// so that runs which are measured are not traced.
type makeup struct {
	processes int // programs that were started
	peak      int // the largest memory of one of them, in KiB
	commits   int // nf_tables commits; -1: not known
}

// inspect runs commands once and sees what they consist of.
func inspect(ns *namespace, commands []command) (m makeup, err error) {
	before, genErr := ns.generation()
	for _, c := range commands {
		if err := c.trace(ns, &m); err != nil {
			return m, err
		}
	}
	after, err := ns.generation()
	if m.commits = int(after - before); genErr != nil || err != nil {
		m.commits = -1
	}
	return m, nil
}

// trace runs the process and its children under ptrace(2).
func (c command) trace(ns *namespace, m *makeup) error {
	runtime.LockOSThread() // all calls about a tracee are its tracer's thread's
	defer runtime.UnlockOSThread()
	said, err := os.CreateTemp("", "shunt-bench-*")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd := &exec.Cmd{Stdout: said, Stderr: said, SysProcAttr: &syscall.SysProcAttr{Ptrace: true}}
	if err := c.start(ns, cmd); err != nil {
		return c.fault(err, "")
	}
	m.processes++
	status, err := follow(cmd.Process.Pid, m)
	_ = cmd.Process.Release()
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		return c.fault(err, string(text))
	}
	return nil
}

// follow lets a process that stopped at its first instruction run, with all
// threads and children that it makes, and returns its exit status.
func follow(pid int, m *makeup) (int, error) {
	const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
		unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACEEXIT
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return 0, err
	}
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return 0, err
	}
	at, signal := pid, 0
	for {
		if err := unix.PtraceCont(at, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return 0, err
		}
		var err error
		for at = 0; at == 0; {
			if at, err = unix.Wait4(-1, &ws, unix.WALL, nil); errors.Is(err, unix.EINTR) {
				at = 0
			} else if err != nil {
				return 0, err
			} else if !ws.Stopped() {
				if at == pid {
					return ws.ExitStatus(), nil
				}
				at = 0 // a thread or a child has ended
			}
		}
		signal = 0
		switch ws.TrapCause() {
		case unix.PTRACE_EVENT_EXEC:
			m.processes++
		case unix.PTRACE_EVENT_EXIT:
			m.peak = max(m.peak, peakMemory(at))
		case 0, -1:
			// Threads and children begin with a stop; all else is theirs.
			if s := ws.StopSignal(); s != unix.SIGSTOP && s != unix.SIGTRAP {
				signal = int(s)
			}
		}
	}
}

// peakMemory returns a process's largest resident memory in KiB (proc(5)). It
// is not rusage's: in that, a process starts with the memory of whoever
// started it.
func peakMemory(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := bytes.Cut(text, []byte("VmHWM:"))
	fields := strings.Fields(string(line))
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(fields[0])
	return kib
}
