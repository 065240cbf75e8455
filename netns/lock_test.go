package netns_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
			_, err := ns.Lock(t.Context(), nil, 20*time.Millisecond)
			if !errors.Is(err, netns.ErrLocked) {
				t.Fatalf("error %v, want %v", err, netns.ErrLocked)
			}
			if want := fmt.Sprintf(`lock %s: timed out after 20ms: another process holds the lock: process %d ("exe")`, ns, holder.Process.Pid); err.Error() != want {
				t.Errorf("error %q\n want %q", err, want)
			}
			// The kernel gives the lock back when its holder is killed.
			if err := holder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			lock, err := ns.Lock(t.Context(), nil, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Unlock()
			if second := start(t, ns, "lock "+ns.Path, 0); !strings.Contains(second.says, "another process holds the lock") {
				t.Errorf("a process got the lock that this one holds: %s", second.says)
			}
		})
	}
}

func TestLockWithinOneProcess(t *testing.T) {
	t.Parallel()
	ns, other := netnstest.New(t), netnstest.New(t)
	lock, err := ns.Lock(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ns.Lock(t.Context(), nil, 0); !errors.Is(err, netns.ErrLocked) {
		t.Errorf("the same namespace again: error %v, want %v", err, netns.ErrLocked)
	}
	lockOther, err := other.Lock(t.Context(), nil, 0)
	if err != nil {
		t.Errorf("another namespace: %v", err)
	} else {
		lockOther.Unlock()
	}

	got := make(chan error)
	go func() {
		second, err := ns.Lock(t.Context(), nil, 5*time.Second)
		if err == nil {
			defer second.Unlock()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Fatalf("the lock was given while it was held, or not at all: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	lock.Unlock()
	lock.Unlock() // harmless: what the first call closed may be somebody else's by now
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
		lock, err := current.Lock(t.Context(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		lock.Unlock()
		err = current.Do(func() error { _, err := netns.HasGlobalIPv6(); return err })
		if err != nil {
			t.Error(err)
		}
	})
}

func TestLockEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	lock, err := ns.Lock(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = ns.Lock(ctx, nil, time.Minute)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "lock network namespace") {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

func BenchmarkLock(b *testing.B) {
	ns := netnstest.New(b)
	for b.Loop() {
		lock, err := ns.Lock(b.Context(), nil, time.Second)
		if err != nil {
			b.Fatal(err)
		}
		lock.Unlock()
	}
}

func TestAChildThatInheritsTheLockKeepsIt(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	for _, test := range []struct {
		name     string
		released func(lock *netns.Lock) error
		free     bool
	}{
		{"as long as it lives, where its parent has died", func(l *netns.Lock) error { return l.File().Close() }, false},
		{"no longer than its parent, which lets go of it", func(l *netns.Lock) error { l.Unlock(); return nil }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			lock, err := ns.Lock(t.Context(), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			child := exec.Command("cat")
			child.ExtraFiles = []*os.File{lock.File()}
			stdin, err := child.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			end := sync.OnceFunc(func() { _ = stdin.Close(); _ = child.Wait() })
			defer end()
			if err := test.released(lock); err != nil {
				t.Fatal(err)
			}
			again, err := ns.Lock(t.Context(), nil, 0)
			if free := err == nil; free != test.free {
				t.Fatalf("while the child lives: %v", err)
			}
			if !test.free {
				end()
				if again, err = ns.Lock(t.Context(), nil, time.Second); err != nil {
					t.Fatalf("when the child has ended: %v", err)
				}
			}
			again.Unlock()
		})
	}
}

// A container sees no process of the node.
func TestAHolderInAnotherPIDNamespaceIsSaidToBeThere(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	lock, err := ns.Lock(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	elsewhere := start(t, ns, "lock-elsewhere", syscall.CLONE_NEWPID|syscall.CLONE_NEWNS)
	if want := "one in another PID namespace"; !strings.Contains(elsewhere.says, want) {
		t.Errorf("it says %q, want %q", elsewhere.says, want)
	}
}
