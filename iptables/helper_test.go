package iptables

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

func TestMain(m *testing.M) {
	if do := os.Getenv(helperVariable); do != "" {
		runtime.LockOSThread()
		if err := helpers()[do](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	netnstest.Main(m)
}

// helperVariable makes the test binary a process that a test needs beside it.
const helperVariable = "SHUNT_TEST_HELPER"

func helpers() map[string]func() error {
	return map[string]func() error{"orphan": orphan, "no-files": noFiles, "secure": secure}
}

// helper runs a copy of this program as a helper and returns what it prints.
func helper(t *testing.T, cmd *exec.Cmd, do string) string {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, helperVariable+"="+do)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("helper %s: %v: %s", do, err, out)
	}
	return string(out)
}

// orphan holds a lock and reads with a command that does not end.
func orphan() error {
	lock, err := os.OpenFile(os.Getenv("LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	b, err := New(context.Background(), Options{
		Mode:    ModeNFT,
		Timeout: time.Hour,
		Lookup:  func(string) (string, error) { return os.Getenv("SHELL"), nil },
		Inherit: []*os.File{lock},
		Children: func(c *exec.Cmd) {
			c.Args = []string{"sh", "-c", os.Getenv("SCRIPT"), "sh", os.Getenv("PID_FILE")}
		},
	})
	if err != nil {
		return err
	}
	_, err = b.Read(context.Background())
	return err
}

// noFiles looks for legacy leftovers without a file descriptor to do it with.
func noFiles() error {
	b, err := New(context.Background(), Options{Mode: ModeLegacy, Leftovers: true})
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: 0}); err != nil {
		return err
	}
	_, err = b.Read(context.Background())
	fmt.Println(err)
	return nil
}

// secure says what a privileged binary goes by, and reads.
func secure() error {
	b, err := New(context.Background(), Options{Mode: ModeNFT})
	if err != nil {
		return err
	}
	path, err := b.find("iptables-nft-save")
	lock, done := b.lockFile()
	defer done()
	fmt.Printf("secure %v\nfound %s, %v\nlock %s\n%s\n", b.opt.Secure, path, err, lock, strings.Join(b.environment(), "\n"))
	_, err = b.Read(context.Background())
	fmt.Println(err)
	return nil
}

// openDir returns a new directory that everybody may write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// asUser returns a copy of this program, run as nobody.
func asUser(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 || !allMapped() {
		skip(t, "needs root to become another user")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copyOf(t, self, filepath.Join(dir, "helper")))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

func copyOf(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return to
}

// giveCapability gives a file one capability, permitted and effective (struct
// vfs_cap_data in the kernel's include/uapi/linux/capability.h).
func giveCapability(t *testing.T, path string, capability int) {
	t.Helper()
	const revision2, effective = 0x02000000, 1
	data := binary.LittleEndian.AppendUint32(nil, revision2|effective)
	data = binary.LittleEndian.AppendUint32(data, 1<<capability)
	data = append(data, make([]byte, 12)...)
	if err := unix.Setxattr(path, "security.capability", data, 0); err != nil {
		skip(t, "needs to give a file capabilities: "+err.Error())
	}
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !gone(pid) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	})
	return pid
}

// gone reports whether a process has ended, be it waited for or not.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

func waitUntilGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the process ends", func() bool { return gone(pid) })
}

// eventually waits for something that has to happen, and gives up late.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for range 3000 {
		if happened() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("did not happen: %s", what)
}
