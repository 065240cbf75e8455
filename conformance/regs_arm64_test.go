package conformance

import "golang.org/x/sys/unix"

// setFirstArg changes the first argument of the system call at whose
// beginning a thread stopped.
func setFirstArg(pid int, v uint64) error { return setX0(pid, v) }

// setReturn changes what a system call returns, at its end; its place is that
// of the first argument.
func setReturn(pid int, _, v uint64) error { return setX0(pid, v) }

func setX0(pid int, v uint64) error {
	const prStatus = 1 // NT_PRSTATUS of linux/elf.h: the general registers
	var r unix.PtraceRegsArm64
	if err := unix.PtraceGetRegSetArm64(pid, prStatus, &r); err != nil {
		return err
	}
	r.Regs[0] = v
	return unix.PtraceSetRegSetArm64(pid, prStatus, &r)
}
