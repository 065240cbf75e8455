package netnstest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
)

func TestMain(m *testing.M) { Main(m) }

func TestNewLeavesTheProcessWhereItWas(t *testing.T) {
	before, err := netns.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	a, b := New(t), New(t)
	if a.Same(b.NS) || a.Same(before) {
		t.Errorf("namespaces are not fresh: process %s, new %s and %s", before, a, b)
	}
	after, err := netns.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if !after.Same(before) {
		t.Errorf("New moved the process from %s to %s", before, after)
	}
}

func TestChildReachesTheNamespaceByItsPath(t *testing.T) {
	ns := New(t)
	out, err := exec.Command("readlink", ns.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, inode, _ := strings.Cut(ns.ID(), ":")
	if want := "net:[" + inode + "]\n"; string(out) != want {
		t.Errorf("a child sees %q at %s, want %q", out, ns.Path, want)
	}
	out = []byte(ns.Exec(t, "", "readlink", "/proc/self/ns/net"))
	if want := "net:[" + inode + "]\n"; string(out) != want {
		t.Errorf("a command run in the namespace is in %q, want %q", out, want)
	}
}

func TestRunMayEndTheTest(t *testing.T) {
	ns := New(t)
	before := threadNS(t)
	t.Run("skips inside", func(t *testing.T) { ns.Run(t, func() { t.SkipNow() }) })
	func() {
		defer func() { _ = recover() }()
		ns.Run(t, func() { panic("inside") })
	}()
	if after := threadNS(t); after != before {
		t.Errorf("after a panic in Run the thread is in %s, want %s", after, before)
	}
}

func TestSkipFailsUnderCI(t *testing.T) {
	for _, test := range []struct{ ci, want string }{
		{"", "skipped: needs the command no-such-tool, which is not installed"},
		{"true", "failed: CI=true, so this is not skipped: needs the command no-such-tool, which is not installed"},
	} {
		t.Run("CI="+test.ci, func(t *testing.T) {
			t.Setenv("CI", test.ci)
			fake := &recorder{TB: t}
			func() {
				defer func() { _ = recover() }()
				Tool(fake, "no-such-tool")
			}()
			if fake.got != test.want {
				t.Errorf("got %q, want %q", fake.got, test.want)
			}
		})
	}
}

// recorder is a test that notes how it ended.
type recorder struct {
	testing.TB
	got string
}

func (r *recorder) end(how, format string, args []any) {
	r.got = how + ": " + fmt.Sprintf(format, args...)
	panic(r.got)
}
func (r *recorder) Skipf(format string, args ...any)  { r.end("skipped", format, args) }
func (r *recorder) Fatalf(format string, args ...any) { r.end("failed", format, args) }

func TestMapped(t *testing.T) {
	for _, test := range []struct {
		name, text string
		id         uint64
		want       bool
	}{
		{"the whole range of the first user namespace", "         0          0 4294967295\n", 2102, true},
		{"the reserved id", "         0          0 4294967295\n", 4294967295, false},
		{"a namespace of one id, that id", "         0      65534          1\n", 0, true},
		{"a namespace of one id, another id", "         0      65534          1\n", 2102, false},
		{"a second line", "0 1000 1\n1 100000 65536\n", 2102, true},
		{"no mapping yet", "", 0, false},
	} {
		if got := mapped(test.text, test.id); got != test.want {
			t.Errorf("%s: id %d mapped: %v, want %v", test.name, test.id, got, test.want)
		}
	}
}

func TestMainWithoutRoot(t *testing.T) {
	if os.Getenv(insideVar) != "" {
		t.Skip("this is what runs without root")
	}
	if os.Getuid() != 0 {
		Skip(t, "needs root, to run the tests as another user")
	}
	// A user namespace of that user's own, in spite of root's files: only
	// /proc/self/exe is opened, and nothing is written.
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run=^TestNewLeavesTheProcessWhereItWas$|^TestWithoutRules$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "CI=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run the tests as user 65534: %v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		if userNamespaces() {
			t.Errorf("user 65534 may make user namespaces, but tests were skipped:\n%s", out)
		}
		return
	}
	for _, want := range []string{"--- PASS: TestNewLeavesTheProcessWhereItWas", "--- PASS: TestWithoutRules"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// userNamespaces reports whether a user without privileges may make a user
// namespace and be root of network namespaces there.
func userNamespaces() bool {
	cmd := exec.Command("/bin/true")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: 65534, Gid: 65534},
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
	}
	return cmd.Run() == nil
}

func threadNS(t *testing.T) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
