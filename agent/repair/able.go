package repair

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Able says why this process cannot look after pods: it needs a place to look for
// their network namespaces (see Locator), and the capabilities to enter these and
// to read and write rules there.
func Able(folder, proc string) error {
	if _, err := os.Stat(folder); err != nil && proc == "" {
		return fmt.Errorf("look for pods' network namespaces: %w: the folder has to be mounted from the node", err)
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	const need = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN
	if data[0].Effective&need != need {
		return fmt.Errorf("the capabilities NET_ADMIN and SYS_ADMIN are needed: %w", unix.EPERM)
	}
	return nil
}
