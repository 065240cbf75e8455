package conformance

import (
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filter makes the denied system calls fail, for this thread and all that it
// starts (seccomp(2)).
func (l *launch) filter() error {
	if len(l.Deny) == 0 {
		return nil
	}
	// Offsets in struct seccomp_data (linux/seccomp.h): the number, and the
	// lower half of an argument on a little-endian machine.
	const offsetNr, offsetArgs, argSize = 0, 16, 8
	var program []unix.SockFilter
	load := func(offset uint32) {
		program = append(program, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset})
	}
	for _, d := range l.Deny {
		var indexes []int
		for i := range d.Args {
			indexes = append(indexes, i)
		}
		slices.Sort(indexes)
		// Two instructions a comparison; what does not match goes on after
		// the return.
		left := uint8(2*len(indexes) + 1)
		compare := func(offset, value uint32) {
			load(offset)
			program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: value, Jf: left})
			left -= 2
		}
		compare(offsetNr, d.Nr)
		for _, i := range indexes {
			compare(uint32(offsetArgs+argSize*i), d.Args[i])
		}
		program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | d.Errno})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&fprog)), 0, 0); err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	return nil
}
