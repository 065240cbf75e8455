package netns_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

// roleVar makes the test binary a helper process instead of running tests.
const roleVar = "SHUNT_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		netnstest.Main(m)
	}
	if err := play(role); err != nil {
		fmt.Println("error:", err)
	}
}

// play is what a helper process does: it says on standard output how it went
// and, where it holds something, waits for the end of its standard input.
func play(role string) error {
	verb, arg, _ := strings.Cut(role, " ")
	switch verb {
	case "lock": // the lock of the namespace at arg, or of the current one
		ns, err := netns.Current()
		if arg != "" {
			ns, err = netns.Open(arg)
		}
		if err != nil {
			return err
		}
		if _, err := ns.Lock(context.Background(), nil, 50*time.Millisecond); err != nil {
			return err
		}
		fmt.Println("locked")
	case "lock-mounted": // the same, bind mounted to a file as below /run/netns
		path, file, _ := strings.Cut(arg, " ")
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount(path, file, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return play("lock " + file)
	case "lock-elsewhere": // the same in a PID namespace of its own, whose /proc is mounted
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			return err
		}
		return play("lock")
	case "sysctl-read-only": // writes the one named arg where a container would
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := unix.Mount("/proc/sys", "/proc/sys", "", unix.MS_BIND, ""); err != nil {
			return err
		}
		if err := unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			return err
		}
		return netns.WriteSysctl(arg, "7")
	case "wait":
		fmt.Println("waiting")
	default:
		return fmt.Errorf("unknown role %q", role)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// helper is a helper process.
type helper struct {
	*exec.Cmd
	says string // its first line
}

// start starts a helper in ns, in new namespaces of the kinds in flags.
func start(t *testing.T, ns *netnstest.NS, role string, flags uintptr) *helper {
	t.Helper()
	h := &helper{Cmd: exec.Command("/proc/self/exe")}
	h.Env = append(os.Environ(), roleVar+"="+role)
	h.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	if flags&syscall.CLONE_NEWUSER != 0 {
		h.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		h.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	stdin, err := h.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Do(h.Start); err != nil {
		t.Fatalf("start %s: %v", role, err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = h.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %q, %v", role, line, err)
	}
	h.says = strings.TrimSpace(line)
	return h
}

// without runs f on a thread from whose effective capabilities one is taken
// away, and gives it back.
func without(t *testing.T, capability uint, f func()) {
	t.Helper()
	drop, restore := capabilities(t, capability)
	drop()
	defer restore()
	f()
}

// capabilities returns what takes a capability from the calling thread, and
// what puts it back. The caller has locked the thread, or f of Do has.
func capabilities(t *testing.T, capability uint) (drop, restore func()) {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var full [2]unix.CapUserData
	if err := unix.Capget(&hdr, &full[0]); err != nil {
		t.Fatal(err)
	}
	less := full
	less[capability/32].Effective &^= 1 << (capability % 32)
	set := func(data [2]unix.CapUserData) func() {
		return func() {
			if err := unix.Capset(&hdr, &data[0]); err != nil {
				t.Errorf("capset: %v", err)
			}
		}
	}
	return set(less), set(full)
}

// setEUID changes the calling thread's effective user id, and takes its
// effective capabilities or gives them back. The real id stays root's, so that
// the way back is open. The thread is locked.
func setEUID(t *testing.T, uid int) {
	t.Helper()
	unchanged := -1
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(unchanged), uintptr(uid), uintptr(unchanged)); errno != 0 {
		t.Fatalf("become user %d: %v", uid, errno)
	}
}
