package netns

import (
	"time"

	"golang.org/x/sys/unix"
)

// settleTime is waited where the kernel cannot be asked to wait: a packet is
// between two rules for microseconds, and if a hypervisor takes its processor
// away in between, for some milliseconds.
const settleTime = 50 * time.Millisecond

// Settle returns when no packet is on its way through the rules any more that
// was when it was called: in every network namespace. Rules that came before
// may then be deleted without a packet that has passed the new ones too early
// finding the old ones gone.
//
// It is MEMBARRIER_CMD_GLOBAL (membarrier(2), since Linux 4.3), which waits for
// an RCU grace period; packets pass the rules within one (nf_hook in
// include/linux/netfilter.h). That takes some milliseconds and needs no
// privilege. A kernel with nohz_full refuses it.
func Settle() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL of linux/membarrier.h
	if _, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0); errno != 0 {
		time.Sleep(settleTime)
	}
}
