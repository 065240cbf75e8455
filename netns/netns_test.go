package netns_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

func TestOpenRefusesWhatIsNoNetworkNamespace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain, pipe := filepath.Join(dir, "plain"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, want string
		is               error
	}{
		{"no path", "", "open network namespace: its path is empty", nil},
		{"a missing path", dir + "/none", "open network namespace " + dir + "/none: no such file or directory", fs.ErrNotExist},
		{"a path below a file", plain + "/x", "open network namespace " + plain + "/x: not a directory", nil},
		{"a plain file", plain, "open network namespace " + plain + ": a plain file (under /run/netns: what a deleted namespace left), not a network namespace", netns.ErrNotNamespace},
		{"a directory", dir, "open network namespace " + dir + ": a directory, not a network namespace", netns.ErrNotNamespace},
		{"a pipe that nobody writes to", pipe, "open network namespace " + pipe + ": a device, pipe or socket, not a network namespace", netns.ErrNotNamespace},
		{"a device", "/dev/null", "open network namespace /dev/null: a device, pipe or socket, not a network namespace", netns.ErrNotNamespace},
		{"a uts namespace", "/proc/self/ns/uts", "open network namespace /proc/self/ns/uts: a uts namespace, not a network namespace", netns.ErrNotNamespace},
		{"a user namespace", "/proc/self/ns/user", "open network namespace /proc/self/ns/user: a user namespace, not a network namespace", netns.ErrNotNamespace},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns, err := netns.Open(test.path)
			if err == nil {
				t.Fatalf("opened %s", ns)
			}
			if err.Error() != test.want {
				t.Errorf("error %q\n want %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
		})
	}
}

// Between looking and opening, another file may take the path. Opened by its
// name, the pipe would block forever.
func TestAPathThatBecomesAPipeMeanwhileDoesNotBlock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "path"), filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Symlink([]string{"/proc/self/ns/net", pipe}[i%2], path+".new")
			_ = os.Rename(path+".new", path)
		}
	}()
	opened, refused := 0, 0
	for opened+refused < 2000 || opened == 0 || refused == 0 { // however long it takes until the path changes
		switch ns, err := netns.Open(path); {
		case err == nil:
			opened++
			_ = ns.Close()
		case errors.Is(err, netns.ErrNotNamespace):
			refused++
		case !errors.Is(err, fs.ErrNotExist):
			t.Fatal(err)
		}
	}
	close(stop)
	<-stopped
}

func TestOpenPID(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	child := start(t, ns, "wait", 0)
	of, err := netns.OpenPID(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer of.Close()
	if !of.Same(ns.NS) {
		t.Errorf("process %d is in %s, but %s was opened", child.Process.Pid, ns, of)
	}
	for _, test := range []struct {
		name string
		pid  int
		want string
	}{
		{"zero", 0, "a process id is above 0"},
		{"negative", -1, "a process id is above 0"},
		{"no such process", 1 << 30, "no such process here"}, // above PID_MAX_LIMIT
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := netns.OpenPID(test.pid)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), fmt.Sprint(test.pid)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestNoNamespaceIsNeverTheCurrentOne(t *testing.T) {
	t.Parallel()
	closed, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	current, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer current.Close()
	for range 2 {
		if err := closed.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	for _, test := range []struct {
		name string
		ns   *netns.NS
	}{{"the zero one", &netns.NS{}}, {"nil", nil}, {"a closed one", closed}} {
		t.Run(test.name, func(t *testing.T) {
			const want = "network namespace: none is open (it was never opened, or is closed)"
			if err := test.ns.Do(func() error { t.Error("f was called"); return nil }); err == nil || err.Error() != want {
				t.Errorf("Do: %v", err)
			}
			if _, err := test.ns.Lock(t.Context(), nil, 0); err == nil || err.Error() != want {
				t.Errorf("Lock: %v", err)
			}
			if fd := test.ns.FD(); fd != -1 {
				t.Errorf("file descriptor %d", fd)
			}
			if test.ns.Same(current) || current.Same(test.ns) || test.ns.Same(test.ns) {
				t.Error("is the same as a namespace")
			}
			if host, err := test.ns.IsHost(); host || err == nil || test.ns.IsInitial() {
				t.Error("is known to be the host's or not")
			}
			if id, s := test.ns.ID(), test.ns.String(); id != "none" || s != "no network namespace" {
				t.Errorf("has the id %q and the name %q", id, s)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	a, b := netnstest.New(t), netnstest.New(t)
	again, err := netns.Open(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if !again.Same(a.NS) || again.ID() != a.ID() || again.FD() == a.FD() {
		t.Errorf("opened twice: %s (%s) and %s (%s)", a, a.ID(), again, again.ID())
	}
	if a.Same(b.NS) || a.ID() == b.ID() {
		t.Errorf("two namespaces are the same: %s (%s) and %s (%s)", a, a.ID(), b, b.ID())
	}
	link, err := os.Readlink(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "network namespace " + a.Path + " " + link; again.String() != want {
		t.Errorf("name %q, want %q", again, want)
	}
	a.Run(t, func() {
		current, err := netns.Current()
		if err != nil {
			t.Fatal(err)
		}
		defer current.Close()
		if !current.Same(a.NS) {
			t.Errorf("inside %s, Current is %s", a, current)
		}
	})
}

func TestHasGlobalIPv6(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		ns   *netnstest.NS
		want bool
	}{
		{"::1 alone", netnstest.New(t), false},
		{"an address on a link", netnstest.NewTopology(t).Pod, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got bool
			err := test.ns.Do(func() (err error) { got, err = netns.HasGlobalIPv6(); return err })
			if err != nil || got != test.want {
				t.Errorf("got %v, error %v, want %v", got, err, test.want)
			}
		})
	}
}
