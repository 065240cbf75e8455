package conformance

import "golang.org/x/sys/unix"

// setFirstArg changes the first argument of the system call at whose
// beginning a thread stopped.
func setFirstArg(pid int, v uint64) error {
	return changeRegs(pid, func(r *unix.PtraceRegs) { r.Rdi = v })
}

// setReturn changes what a system call returns, at its end.
func setReturn(pid int, firstArg, v uint64) error {
	return changeRegs(pid, func(r *unix.PtraceRegs) { r.Rdi, r.Rax = firstArg, v })
}

func changeRegs(pid int, change func(*unix.PtraceRegs)) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &r); err != nil {
		return err
	}
	change(&r)
	return unix.PtraceSetRegs(pid, &r)
}
