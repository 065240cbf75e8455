package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call is a system call of a traced process, at its beginning or its end.
type call struct {
	pid   int
	enter bool
	nr    uint64
	args  [6]uint64
}

// action is what a tracer does with a process that stopped at a call. The zero
// action lets it go on.
type action struct {
	kill bool       // SIGKILL to all that is traced
	fail unix.Errno // let the call fail: at its beginning, without being made; at its end, although it was made
}

// trace runs a command to its end, with all its threads and children, and
// calls at for each of their system calls, twice: before the kernel does
// anything, and when it has done it. A process that is killed at the beginning
// of a call does not make it. trace returns the exit status, or -1 after a
// signal. It must be called on a locked thread: ptrace(2) knows threads only.
func trace(cmd *exec.Cmd, at func(call) action) (status int, err error) {
	cmd.SysProcAttr.Ptrace = true
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	first := cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }() // it is waited for below
	// One that hangs is no reason to hang with it.
	timer := time.AfterFunc(traceLimit, func() { _ = unix.Kill(first, unix.SIGKILL) })
	t := tracer{first: first, at: at, status: -1, traced: map[int]bool{}, entered: map[int]call{}, failing: map[int]unix.Errno{}}
	if err := t.follow(); err != nil {
		t.kill()
		return 0, err
	}
	if !timer.Stop() {
		return 0, fmt.Errorf("killed, it did not end within %v", traceLimit)
	}
	return t.status, nil
}

// traceLimit is how long a traced run may take: usually it is a second at most.
const traceLimit = time.Minute

type tracer struct {
	first   int          // the process that was started
	traced  map[int]bool // threads, children with process groups of their own among them
	at      func(call) action
	status  int
	started bool
	entered map[int]call       // the call that each thread is in
	failing map[int]unix.Errno // what it is to return
}

// follow handles stops until nothing is left that this thread traces.
func (t *tracer) follow() error {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil:
			return fmt.Errorf("wait for what is traced: %w", err)
		}
		switch {
		case ws.Exited() || ws.Signaled():
			delete(t.traced, pid)
			if pid == t.first {
				t.status = ws.ExitStatus() // -1 after a signal
			}
		case ws.Stopped():
			t.traced[pid] = true
			if err := t.stopped(pid, ws); err != nil && !errors.Is(err, unix.ESRCH) { // killed meanwhile
				return err
			}
		}
	}
}

// stopped handles one stop, and lets the thread go on to its next one.
func (t *tracer) stopped(pid int, ws unix.WaitStatus) error {
	if !t.started { // the stop after exec of a process that asked to be traced
		t.started = true
		const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
			unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
		if err := unix.PtraceSetOptions(pid, options); err != nil {
			return fmt.Errorf("set trace options: %w", err)
		}
		return unix.PtraceSyscall(pid, 0)
	}
	signal := 0
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP|0x80: // PTRACE_O_TRACESYSGOOD
		c, err := t.call(pid)
		if err != nil {
			return err
		}
		if err := t.act(pid, c, t.at(c)); err != nil {
			return err
		}
	case sig == unix.SIGTRAP: // a new thread or child, or exec
	case sig == unix.SIGSTOP: // how a new thread or child begins
	default:
		signal = int(sig)
	}
	return unix.PtraceSyscall(pid, signal)
}

// kill ends all that is traced.
func (t *tracer) kill() {
	for pid := range t.traced {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// act does what is to be done about a call.
func (t *tracer) act(pid int, c call, a action) error {
	switch {
	case a.kill:
		t.kill()
		return nil
	case a.fail != 0 && c.enter: // on a file that is not open it does nothing
		t.failing[pid] = a.fail
		return setFirstArg(pid, ^uint64(0))
	case c.enter:
		return nil
	}
	if a.fail == 0 {
		a.fail = t.failing[pid]
	}
	delete(t.failing, pid)
	if a.fail == 0 {
		return nil
	}
	return setReturn(pid, c.args[0], uint64(-int64(a.fail)))
}

// call reads at which system call a thread stopped: PTRACE_GET_SYSCALL_INFO
// (ptrace(2), since Linux 5.3) says it for every architecture alike.
func (t *tracer) call(pid int) (call, error) {
	const getSyscallInfo, opEntry = 0x420e, 1
	var info [88]byte // struct ptrace_syscall_info
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(pid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return call{}, fmt.Errorf("read the system call: %w", errno)
	}
	if info[0] != opEntry || n < 24+8*7 {
		c := t.entered[pid]
		c.enter = false
		return c, nil
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(info[24+8*i:]) }
	c := call{pid: pid, enter: true, nr: word(0)}
	for i := range c.args {
		c.args[i] = word(1 + i)
	}
	t.entered[pid] = c
	return c, nil
}

// peek reads memory of a stopped thread; what cannot be read is zero.
func peek(pid int, addr uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = unix.PtracePeekData(pid, uintptr(addr), b)
	return b
}

// kind says what a call has to do with the kernel's rules, "" for nothing.
func (c call) kind() string {
	switch c.nr {
	case unix.SYS_EXECVE, unix.SYS_EXECVEAT:
		return "exec"
	case unix.SYS_SETSOCKOPT: // legacy iptables commits by IPT_SO_SET_REPLACE, 64
		if (c.args[1] == unix.SOL_IP || c.args[1] == unix.SOL_IPV6) && c.args[2] == 64 {
			return "commit"
		}
	case unix.SYS_SENDTO:
		return netlinkKind(peek(c.pid, c.args[1], 8))
	case unix.SYS_SENDMSG:
		const iovOffset = 16 // struct msghdr: name, its length, then the vector
		iov := binary.NativeEndian.Uint64(peek(c.pid, c.args[1]+iovOffset, 8))
		base := binary.NativeEndian.Uint64(peek(c.pid, iov, 8))
		return netlinkKind(peek(c.pid, base, 8))
	}
	return ""
}

// netlinkKind tells a batch of changes from a question by the message's type
// (linux/netfilter/nfnetlink.h).
func netlinkKind(header []byte) string {
	switch typ := binary.NativeEndian.Uint16(header[4:]); {
	case typ == unix.NFNL_MSG_BATCH_BEGIN:
		return "commit"
	case typ>>8 == unix.NFNL_SUBSYS_NFTABLES:
		return "question"
	}
	return ""
}
