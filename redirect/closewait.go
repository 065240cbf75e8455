package redirect

import (
	"fmt"
	"strconv"
	"time"

	"shunt/netns"
)

// closeWaitSysctl is documented in the kernel's
// Documentation/networking/nf_conntrack-sysctl.rst; seconds.
const closeWaitSysctl = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"

// checkCloseWait fails if setCloseWait would after the rules are live: its file
// cannot be written in most containers.
func checkCloseWait(d time.Duration) error {
	if d == 0 {
		return nil
	}
	if err := netns.CheckSysctl(closeWaitSysctl); err != nil {
		return fmt.Errorf("the close-wait timeout (timeout-close-wait-secs) cannot be set, so nothing was applied: %w", err)
	}
	return nil
}

// setCloseWait sets the timeout in the calling thread's namespace; 0 leaves it
// as it is. It comes after the commit: conntrack may be loaded only by the
// rules.
func setCloseWait(d time.Duration) error {
	if d == 0 {
		return nil
	}
	err := netns.WriteSysctl(closeWaitSysctl, strconv.Itoa(int(d.Seconds())))
	if err != nil {
		return fmt.Errorf("the rules are live, but the close-wait timeout (timeout-close-wait-secs) was not set: %w", err)
	}
	return nil
}
