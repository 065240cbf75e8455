package netns_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

func openLocks(t *testing.T, path string, create bool) *netns.Locks {
	t.Helper()
	locks, err := netns.OpenLocks(path, create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locks.Close)
	return locks
}

func TestLocksInAFolderExcludeByNamespace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "locks")
	if _, err := netns.OpenLocks(path, false); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an absent folder that is not to be made: %v", err)
	}
	locks := openLocks(t, path, true)
	for _, folder := range []string{path, filepath.Dir(path)} {
		if st, err := os.Stat(folder); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", folder, st, err)
		}
	}
	ns := netnstest.New(t)
	lock, err := ns.Lock(t.Context(), locks, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := netns.Open(ns.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	other := openLocks(t, path, false)
	if _, err := again.Lock(t.Context(), other, 0); !errors.Is(err, netns.ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("the same namespace again: %v", err)
	}
	if own, err := again.Lock(t.Context(), nil, 0); err != nil {
		t.Errorf("the namespace's own file: %v", err)
	} else {
		own.Unlock()
	}
	lock.Unlock()
	if lock, err = again.Lock(t.Context(), other, 0); err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
	files, err := os.ReadDir(path)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v: want the one file", files, err)
	}
	if st, err := files[0].Info(); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// Uid 65534 without capabilities held flock on the files below /run/netns and
// made every ADD fail.
func TestNobodyButRootCanHoldALockInTheFolder(t *testing.T) {
	t.Parallel()
	const nobody = 65534
	netnstest.IDs(t, nobody)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "locks")
	ns := netnstest.New(t)
	lock, err := ns.Lock(t.Context(), openLocks(t, path, true), 0)
	if err != nil {
		t.Fatal(err)
	}
	file := lock.File().Name()
	lock.Unlock()
	ns.Run(t, func() {
		setEUID(t, nobody)
		defer setEUID(t, 0)
		if fd, err := unix.Open(file, unix.O_RDONLY, 0); !errors.Is(err, unix.EACCES) {
			t.Errorf("user %d opened the lock's file: %d, %v", nobody, fd, err)
		}
	})
}

func TestAFolderThatOthersCouldHoldLocksInIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	wide := make("wide", 0o755)
	if _, err := netns.OpenLocks(wide, false); err == nil || !strings.Contains(err.Error(), "mode 0755: want 0700") {
		t.Errorf("a wide one: %v", err)
	}
	openLocks(t, wide, true) // the kubelet made it so
	if st, err := os.Stat(wide); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}

	link := filepath.Join(dir, "link")
	if err := os.Symlink(wide, link); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.OpenLocks(link, true); err == nil {
		t.Error("a link was followed")
	}
	const nobody = 65534
	netnstest.IDs(t, nobody)
	foreign := make("foreign", 0o700)
	if err := os.Chown(foreign, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := netns.OpenLocks(foreign, true); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("another user's: %v", err)
	}

	// What others may have put there before the mode was changed.
	ns := netnstest.New(t)
	locks := openLocks(t, wide, false)
	lock, err := ns.Lock(t.Context(), locks, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := lock.File().Name()
	lock.Unlock()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ns.Lock(t.Context(), locks, 0); err == nil || errors.Is(err, netns.ErrLocked) || !strings.Contains(err.Error(), file+" is not a file that only root can open") {
		t.Errorf("a file that others can open: %v", err)
	}
}
