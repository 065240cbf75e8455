package repair

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processes returns the network namespaces' files of a pod's processes, by the
// node's /proc. The kubelet's cgroup drivers have the pod's uid in the names of
// its cgroups, as pod1234-5 or, for systemd, as pod1234_5.
func processes(proc, uid string) (paths []string, err error) {
	if uid == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("look for the pod's processes: %w", err)
	}
	names := []string{"pod" + uid, "pod" + strings.ReplaceAll(uid, "-", "_")}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		cgroups, err := os.ReadFile(filepath.Join(proc, e.Name(), "cgroup"))
		if err == nil && (strings.Contains(string(cgroups), names[0]) || strings.Contains(string(cgroups), names[1])) {
			paths = append(paths, filepath.Join(proc, e.Name(), "ns/net"))
		}
	}
	return paths, nil
}
