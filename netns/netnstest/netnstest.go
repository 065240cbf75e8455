// Package netnstest makes network namespaces for tests, and what tests put in
// them: links between them, a stand-in proxy, applications, and clients whose
// sockets belong to a chosen user. Only tests may import it.
//
// The namespaces have no name, so that nothing of them is left when the test
// process ends, however it ends. A package whose tests use them calls Main
// from TestMain, so that they run without root as well.
package netnstest

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
)

// NS is a network namespace that lives as long as the test that made it.
type NS struct {
	*netns.NS

	// Path is the namespace's file, for as long as this process lives. A
	// child can open it if it may trace this process: with less privilege,
	// hand it the file (exec.Cmd.ExtraFiles) and name that /proc/self/fd/3.
	Path string

	IPv4, IPv6 netip.Addr     // in a Topology: the host's addresses
	Owns       []netip.Prefix // in a Topology: further addresses that the host answers to and may use
}

// New makes a network namespace in which lo is up, with 127.0.0.1 and ::1.
func New(t testing.TB) *NS {
	t.Helper()
	n, err := create()
	if err != nil {
		why := ""
		if refused := os.Getenv(refusedVar); refused != "" {
			why = "; and without root: " + refused
		}
		Skip(t, "needs root or a user namespace: %v%s", err, why)
	}
	t.Cleanup(func() { _ = n.Close() })
	ns := &NS{NS: n, Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.FD())}
	err = ns.Do(func() error { return linkUp(loIndex) })
	if err != nil {
		t.Fatalf("set lo up: %v", err)
	}
	return ns
}

// create makes one namespace. The thread that makes it goes back to where it
// was; ending it instead would leave the new namespace with the process, as
// /proc/PID/ns/net, whenever it is the main thread, which Go cannot end.
func create() (_ *netns.NS, err error) {
	runtime.LockOSThread()
	origin, err := netns.Current()
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer origin.Close()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("make a network namespace: %w", err)
	}
	n, err := netns.Open("/proc/thread-self/ns/net")
	if back := unix.Setns(origin.FD(), unix.CLONE_NEWNET); back != nil {
		return nil, fmt.Errorf("come back from a new network namespace: %w", back) // and stay locked
	}
	runtime.UnlockOSThread()
	return n, err
}

// Run calls f in the namespace, as Do does, on the calling goroutine: f may
// use t.Fatal.
func (ns *NS) Run(t testing.TB, f func()) {
	t.Helper()
	err := ns.Do(func() error {
		f()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Exec runs a command in the namespace with stdin as its input, and returns
// what it printed to standard output. The test skips if there is no such
// command, and fails if the command does.
func (ns *NS) Exec(t testing.TB, stdin string, name string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(Tool(t, name), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := ns.Do(cmd.Run); err != nil {
		t.Fatalf("%s %s: %v\n%s%s\nits input was:\n%s", name, strings.Join(args, " "), err, &errs, &out, stdin)
	}
	return out.String()
}

// Skip skips the test because of something that this machine lacks. Where
// nothing may be missing, under CI=true, the test fails instead.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true, so this is not skipped: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Tool returns the path of a command, which may be in /usr/sbin although PATH
// leaves that out. The test skips if there is none.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		Skip(t, "needs the command %s, which is not installed", name)
	}
	return path
}

// IDs skips the test unless the process can own sockets as each of these user
// and group ids. As root it can; in Main's user namespace there is only 0.
func IDs(t testing.TB, ids ...uint32) {
	t.Helper()
	for _, id := range ids {
		if !HasIDs(id) {
			Skip(t, "needs id %d, which this user namespace does not have: run as root", id)
		}
	}
}

// HasIDs reports whether the process's user namespace has each of these user
// and group ids.
func HasIDs(ids ...uint32) bool {
	for _, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		text, err := os.ReadFile(file)
		for _, id := range ids {
			if err != nil || !mapped(string(text), uint64(id)) {
				return false
			}
		}
	}
	return true
}

// mapped looks id up in the text of a uid_map: lines of first id inside, first
// id outside, count (user_namespaces(7)).
func mapped(text string, id uint64) bool {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		first, err1 := strconv.ParseUint(f[0], 10, 64)
		count, err2 := strconv.ParseUint(f[2], 10, 64)
		if err1 == nil && err2 == nil && first <= id && id-first < count {
			return true
		}
	}
	return false
}
