package install

import (
	"fmt"
	"strconv"
	"strings"
)

// Runtime is the container runtime of a node, as the kubelet reports it in
// status.nodeInfo.containerRuntimeVersion, for example containerd://2.1.4.
// Empty means that it is not known.
type Runtime string

// Known reports whether the runtime is known.
func (r Runtime) Known() bool { return r != "" }

// version splits the runtime into its name and its major and minor version.
func (r Runtime) version() (name string, major, minor int) {
	name, version, _ := strings.Cut(string(r), "://")
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		digits := strings.IndexFunc(parts[1], func(c rune) bool { return c < '0' || c > '9' })
		if digits < 0 {
			digits = len(parts[1])
		}
		minor, _ = strconv.Atoi(parts[1][:digits])
	}
	return name, major, minor
}

// atLeast reports whether the runtime is this one, in this version or later.
func (r Runtime) atLeast(name string, major, minor int) bool {
	n, ma, mi := r.version()
	return n == name && (ma > major || ma == major && mi >= minor)
}

// readsDropins reports whether the runtime's libcni is 1.3 or later, which
// appends the files of NETDIR/<network> to a list.
func (r Runtime) readsDropins() bool {
	return r.atLeast("containerd", 2, 1) || r.atLeast("cri-o", 1, 33)
}

// withholds says why the runtime is known to pass no annotations, "" if it is
// not. An unknown runtime is taken for one that passes them.
func (r Runtime) withholds() string {
	switch name, _, _ := r.version(); name {
	case "docker":
		return fmt.Sprintf("the container runtime %s is called through cri-dockerd, which passes no pod annotations to plugins", r)
	case "containerd":
		if !r.atLeast(name, 1, 5) {
			return fmt.Sprintf("the container runtime %s passes no pod annotations to plugins; containerd does from 1.5", r)
		}
	case "cri-o":
		if !r.atLeast(name, 1, 29) {
			return fmt.Sprintf("the container runtime %s passes no pod annotations to plugins; CRI-O does from 1.29", r)
		}
	}
	return ""
}
