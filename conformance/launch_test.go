package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// launchVar tells the test binary to become another program, with what the
// variable holds, a launch.
const launchVar = "SHUNT_TEST_LAUNCH"

// launch is what a child gives up before it becomes a program: mounts and
// privileges that os/exec cannot take from it.
type launch struct {
	Mounts     []mount   // made in a mount namespace of its own
	Drop       []uintptr // capabilities that no program can have any more
	UID        int       // 0: stay root
	Caps       []uintptr // capabilities that are kept as another user: permitted, as a container runtime does it
	NoNewPrivs bool
	Deny       []denial
	Path       string
	Argv       []string
}

// mount is one change of what files the child sees.
type mount struct {
	Kind   string // "readonly" (with all that is mounted below), "empty" or "bind"
	Source string // for bind
	Target string
}

// denial is a system call that fails for the child: the one with this number
// whose arguments have these values.
type denial struct {
	Nr    uint32
	Args  map[int]uint32
	Errno uint32
}

// noNfTables is a kernel without netfilter's netlink: no nf_tables.
func noNfTables() denial {
	return denial{Nr: unix.SYS_SOCKET, Args: map[int]uint32{0: unix.AF_NETLINK, 2: unix.NETLINK_NETFILTER}, Errno: uint32(unix.EPROTONOSUPPORT)}
}

// noLegacy is a kernel without legacy iptables: IPT_SO_GET_INFO and its IPv6
// twin (linux/netfilter_ipv4/ip_tables.h) are not known.
func noLegacy(level uint32) denial {
	const getInfo = 64
	return denial{Nr: unix.SYS_GETSOCKOPT, Args: map[int]uint32{1: level, 2: getInfo}, Errno: uint32(unix.ENOPROTOOPT)}
}

// noReplace refuses the commit of legacy iptables: IPT_SO_SET_REPLACE.
func noReplace(level uint32) denial {
	const setReplace = 64
	return denial{Nr: unix.SYS_SETSOCKOPT, Args: map[int]uint32{1: level, 2: setReplace}, Errno: uint32(unix.ENOMEM)}
}

// become does what a launch says, and does not return.
func become(spec string) {
	runtime.LockOSThread() // all of this belongs to the thread that calls exec
	var l launch
	err := json.Unmarshal([]byte(spec), &l)
	if err == nil {
		err = l.prepare()
	}
	if err == nil {
		_ = os.Unsetenv(launchVar)
		err = unix.Exec(l.Path, l.Argv, os.Environ())
	}
	fmt.Fprintf(os.Stderr, "launch %s: %v\n", l.Path, err)
	os.Exit(125)
}

func (l *launch) prepare() error {
	if err := l.mounts(); err != nil {
		return err
	}
	for _, c := range l.Drop {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if l.UID != 0 {
		if err := l.user(); err != nil {
			return err
		}
	}
	if l.NoNewPrivs || len(l.Deny) > 0 { // a filter needs it where one is not root
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no new privileges: %w", err)
		}
	}
	return l.filter()
}

func (l *launch) mounts() error {
	if len(l.Mounts) == 0 {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for _, m := range l.Mounts {
		if err := m.make(); err != nil {
			return fmt.Errorf("mount %s: %s: %w", m.Kind, m.Target, err)
		}
	}
	return nil
}

func (m mount) make() error {
	switch m.Kind {
	case "empty":
		return unix.Mount("none", m.Target, "tmpfs", 0, "mode=1777")
	case "bind":
		return unix.Mount(m.Source, m.Target, "", unix.MS_BIND, "")
	}
	if m.Target != "/" { // which is a mount already
		if err := unix.Mount(m.Target, m.Target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return unix.MountSetattr(unix.AT_FDCWD, m.Target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// user becomes another user who keeps some capabilities: permitted, not
// inheritable, not ambient, as a container runtime starts a container.
func (l *launch) user() error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	id := uintptr(l.UID)
	for _, call := range []struct {
		name string
		nr   uintptr
		args [3]uintptr
	}{
		{"setgroups", unix.SYS_SETGROUPS, [3]uintptr{}},
		{"setresgid", unix.SYS_SETRESGID, [3]uintptr{id, id, id}},
		{"setresuid", unix.SYS_SETRESUID, [3]uintptr{id, id, id}},
	} {
		if _, _, errno := unix.RawSyscall(call.nr, call.args[0], call.args[1], call.args[2]); errno != 0 {
			return fmt.Errorf("%s: %w", call.name, errno)
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	for _, c := range l.Caps {
		data[c/32].Permitted |= 1 << (c % 32)
		data[c/32].Effective |= 1 << (c % 32)
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}
