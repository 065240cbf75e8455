package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// WriteSysctl sets a network setting of the calling thread's namespace, by its
// dotted name: "net.netfilter.nf_conntrack_tcp_timeout_close_wait". Call it
// inside Do: /proc/sys/net is what the thread that opens it sees
// (net/sysctl_net.c). An error names the cause and what would help.
func WriteSysctl(name, value string) error {
	// Names of interfaces can have dots, so a slash is the way to write those
	// (sysctl(8)); nothing here needs one, and it keeps the path below /proc/sys.
	if !strings.HasPrefix(name, "net.") || strings.ContainsRune(name, '/') || strings.Contains(name, "..") {
		return fmt.Errorf("set sysctl %q: not the name of a network setting such as net.ipv4.ip_forward", name)
	}
	err := writeFile(sysctlPath(name), value)
	if err == nil {
		return nil
	}
	return fmt.Errorf("set sysctl %s to %s: %w%s", name, value, err, sysctlHint(name, err))
}

// CheckSysctl returns the error that WriteSysctl would return because the
// setting cannot be opened for writing. One that does not exist passes: it may
// come with a kernel module that something loads in between.
func CheckSysctl(name string) error {
	f, err := os.OpenFile(sysctlPath(name), os.O_WRONLY, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, unix.ENOENT):
		return nil
	}
	return fmt.Errorf("set sysctl %s: %w%s", name, err, sysctlHint(name, err))
}

func sysctlPath(name string) string { return "/proc/sys/" + strings.ReplaceAll(name, ".", "/") }

// writeFile writes value in one write to a file that is there: os.WriteFile
// would try to create it, which hides a missing setting behind EACCES.
func writeFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// sysctlHint says what an error of a write below /proc/sys means.
func sysctlHint(name string, err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return ": /proc/sys is mounted read-only here, as in every container that is not privileged; run this container privileged, or set it in the pod's securityContext.sysctls"
	case errors.Is(err, unix.ENOENT) && strings.HasPrefix(name, "net.netfilter.nf_conntrack_"):
		return ": connection tracking (nf_conntrack) is not loaded in the kernel"
	case errors.Is(err, unix.ENOENT):
		return ": this kernel, or this namespace, has no such setting"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return ": this needs CAP_NET_ADMIN in the user namespace that owns the network namespace"
	case errors.Is(err, unix.EINVAL):
		return ": the kernel does not accept this value"
	}
	return ""
}
