package netns_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"shunt/netns"
	"shunt/netns/netnstest"
)

func TestLockExcludes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		role  string // of the process that holds the lock; PATH is the namespace's, FILE is free
		flags uintptr
	}{
		{"a process that opened the path", "lock PATH", 0},
		{"a process inside the namespace", "lock", 0},
		{"a process inside, in a user namespace of its own", "lock", syscall.CLONE_NEWUSER},
		{"a process that opened a bind mount in a mount namespace of its own", "lock-mounted PATH FILE", syscall.CLONE_NEWNS},
	} {
		t.Run(test.name, func(t *testing.T) {
			ns := netnstest.New(t)
			file := filepath.Join(t.TempDir(), "netns")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			holder := start(t, ns, strings.NewReplacer("PATH", ns.Path, "FILE", file).Replace(test.role), test.flags)
			if holder.says != "locked" {
				t.Fatal(holder.says)
			}
			_, err := ns.Lock(t.Context(), 20*time.Millisecond)
			if !errors.Is(err, netns.ErrLocked) {
				t.Fatalf("error %v, want %v", err, netns.ErrLocked)
			}
			if want := "lock " + ns.String() + ": another shunt run holds the lock, and for more than 20ms; try again when it has ended, or allow more time with --lock-timeout"; err.Error() != want {
				t.Errorf("error %q\n want %q", err, want)
			}
			// The kernel gives the lock back when its holder is killed.
			if err := holder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			unlock, err := ns.Lock(t.Context(), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer unlock()
			if second := start(t, ns, "lock "+ns.Path, 0); !strings.Contains(second.says, "another shunt run holds the lock") {
				t.Errorf("a process got the lock that this one holds: %s", second.says)
			}
		})
	}
}

func TestLockWithinOneProcess(t *testing.T) {
	t.Parallel()
	ns, other := netnstest.New(t), netnstest.New(t)
	unlock, err := ns.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ns.Lock(t.Context(), 0); !errors.Is(err, netns.ErrLocked) {
		t.Errorf("the same namespace again: error %v, want %v", err, netns.ErrLocked)
	}
	unlockOther, err := other.Lock(t.Context(), 0)
	if err != nil {
		t.Errorf("another namespace: %v", err)
	} else {
		unlockOther()
	}

	got := make(chan error)
	go func() {
		second, err := ns.Lock(t.Context(), 5*time.Second)
		if err == nil {
			defer second()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("the lock was given while it was held, or not at all: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	unlock()
	unlock() // harmless: what the first call closed may be somebody else's by now
	if err := <-got; err != nil {
		t.Errorf("after unlock: %v", err)
	}
}

func TestCurrentAndItsLockNeedNoPrivilege(t *testing.T) {
	t.Parallel()
	const nobody = 65534
	netnstest.IDs(t, nobody)
	ns := netnstest.New(t)
	ns.Run(t, func() {
		// Another user, without capabilities, in a process that has become
		// undumpable: what a container without any privilege runs as.
		setEUID(t, nobody)
		defer setEUID(t, 0)
		current, err := netns.Current()
		if err != nil {
			t.Fatal(err)
		}
		defer current.Close()
		unlock, err := current.Lock(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		unlock()
		err = current.Do(func() error { _, err := netns.HasGlobalIPv6(); return err })
		if err != nil {
			t.Error(err)
		}
	})
}

func TestLockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	unlock, err := ns.Lock(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = ns.Lock(ctx, time.Minute)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "lock network namespace") {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func BenchmarkLock(b *testing.B) {
	ns := netnstest.New(b)
	for b.Loop() {
		unlock, err := ns.Lock(b.Context(), time.Second)
		if err != nil {
			b.Fatal(err)
		}
		unlock()
	}
}
