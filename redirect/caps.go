package redirect

import (
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// netCaps are what rules need: NET_ADMIN, and for iptables-legacy's raw socket
// NET_RAW.
func netCaps() []uintptr { return []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW} }

// raiseCaps makes the network capabilities that the calling thread may use
// effective. The image's file capabilities are permitted and not effective,
// so that verbs that need none run in containers that have none. The caller
// has locked the thread: capabilities belong to threads (capabilities(7)).
func raiseCaps() error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read the thread's capabilities: %w", err)
	}
	want := data
	for _, c := range netCaps() {
		want[c/32].Effective |= data[c/32].Permitted & (1 << (c % 32))
	}
	if want == data {
		return nil
	}
	if err := unix.Capset(&hdr, &want[0]); err != nil {
		return fmt.Errorf("raise CAP_NET_ADMIN: %w", err)
	}
	return nil
}

// passCaps gives a child the network capabilities that this thread has, as ambient
// ones: an iptables without file capabilities would otherwise have none under a
// uid other than root.
func passCaps(cmd *exec.Cmd) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil || unix.Geteuid() == 0 {
		return // root's children have them anyway
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	for _, c := range netCaps() {
		if data[c/32].Permitted&(1<<(c%32)) != 0 {
			cmd.SysProcAttr.AmbientCaps = append(cmd.SysProcAttr.AmbientCaps, c)
		}
	}
}
