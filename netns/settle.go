package netns

import (
	"time"

	"golang.org/x/sys/unix"
)

// settleTime is how long to wait where the kernel cannot be asked to: a packet is
// between two rules for microseconds, or for some milliseconds if a hypervisor
// takes its processor away in between.
const settleTime = 50 * time.Millisecond

// Settle returns once every packet that was on its way through the rules when it
// was called, in any network namespace, has left them. Older rules may then be
// deleted: no packet that passed the new ones too early will find the old ones
// gone.
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
