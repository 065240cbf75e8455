package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// TestFaultInotifyLimit runs itself in a user namespace that may have no
// inotify instance, and in one that may watch nothing.
func TestFaultInotifyLimit(t *testing.T) {
	const limits = "SHUNT_TEST_INOTIFY"
	if limit := os.Getenv(limits); limit != "" {
		if err := os.WriteFile("/proc/sys/user/"+limit, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		n := newNode(t)
		w := n.watch(n.agent(Chain))
		n.eventually("it says that it polls", func() bool { return w.last().Polling != nil })
		n.put("10-calico.conflist", calico)
		n.eventually("it is chained", n.chained)
		n.put("10-calico.conflist", calico)
		n.eventually("it is chained again", n.chained)
		fmt.Println("polled:", w.last().Polling)
		return
	}
	t.Parallel()
	for _, limit := range []string{"max_inotify_instances", "max_inotify_watches"} {
		cmd := self(t, "-test.run=^TestFaultInotifyLimit$", "-test.v")
		cmd.Env = append(cmd.Env, limits+"="+limit)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, fs.ErrPermission) {
			netnstest.Skip(t, "needs user namespaces")
		}
		if err != nil || !strings.Contains(string(out), "polled: inotify: ") {
			t.Errorf("%s: %v\n%s", limit, err, out)
		}
	}
}

// small mounts a file system of its own for the node.
func small(t *testing.T) (*node, string) {
	n := newNode(t)
	dir := filepath.Join(n.dir, "disk")
	n.net, n.bin = filepath.Join(dir, "net.d"), filepath.Join(dir, "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("shunt-test", dir, "tmpfs", 0, "size=128k"); err != nil {
		netnstest.Skip(t, "needs to mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for _, d := range []string{n.net, n.bin} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return n, dir
}

func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Chain, Dropin} {
		n, dir := small(t)
		n.put("10-calico.conflist", calico)
		fill, err := os.Create(filepath.Join(dir, "fill"))
		if err != nil {
			t.Fatal(err)
		}
		defer fill.Close()
		for err == nil {
			_, err = fill.Write(make([]byte, 4096))
		}
		a := n.agent(mode)
		for range 3 {
			if _, err := a.Sync(); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("on a full disk: %v", err)
			}
			n.chain("calico portmap")
		}
		if names := n.files(); strings.Contains(names, ".10-") {
			t.Errorf("temporary files stay: %s", names)
		}
		if err := os.Remove(fill.Name()); err != nil {
			t.Fatal(err)
		}
		if err := fill.Close(); err != nil {
			t.Fatal(err)
		}
		if st, err := a.Sync(); err != nil || st.State != Linked {
			t.Errorf("afterwards: %v, %v", st, err)
		}
		n.chain("calico portmap shunt")
	}
}

func TestFaultDiskReadOnly(t *testing.T) {
	t.Parallel()
	n, dir := small(t)
	n.put("10-calico.conflist", calico)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("shunt-test", dir, "tmpfs", unix.MS_REMOUNT|flags, "size=128k"); err != nil {
			t.Fatal(err)
		}
	}
	a := n.agent(Chain)
	remount(unix.MS_RDONLY)
	if _, err := a.Sync(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("on a read-only disk: %v", err)
	}
	n.chain("calico portmap")
	remount(0)
	n.sync(a, Linked, "copied first, chained first")
	remount(unix.MS_RDONLY)
	n.sync(a, Linked, "")              // nothing to write
	n.sync(n.agent(Chain), Linked, "") // for a new agent neither
	if _, err := n.agent(Auto).Uninstall(false, false); !errors.Is(err, syscall.EROFS) {
		t.Errorf("uninstall: %v", err)
	}
	n.chain("calico portmap shunt")
}

func TestFaultRunWiped(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	a := n.agent(Auto)
	a.SetRuntime(containerd2)
	n.sync(a, Linked, "copied first, chained first")
	// A reboot: /run is empty, and the API server is not there yet.
	cmd := self(t)
	cmd.Env = append(cmd.Env, job{Op: "look", Net: n.net, Bin: n.bin, Plugin: n.plugin, Mode: Auto, Entry: string(shuntEntry(t).JSON), EmptyRun: true}.env())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		netnstest.Skip(t, "needs mount namespaces")
	}
	if err != nil || !strings.Contains(string(out), "linked dropin 0 changes") {
		t.Errorf("%v\n%s", err, out)
	}
}
