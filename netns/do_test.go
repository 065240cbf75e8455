package netns_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

// here returns the inode of the calling thread's network namespace.
func here(t *testing.T) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestDoGoesThereAndComesBack(t *testing.T) {
	t.Parallel()
	home := here(t)
	a, b := netnstest.New(t), netnstest.New(t)
	errInside := errors.New("inside")
	err := a.Do(func() error {
		if got := fmt.Sprintf("%d", here(t)); !strings.HasSuffix(a.ID(), ":"+got) {
			t.Errorf("in a: %s, want %s", got, a.ID())
		}
		child, err := exec.Command("readlink", "/proc/self/ns/net").Output()
		if err != nil || string(child) != fmt.Sprintf("net:[%d]\n", here(t)) {
			t.Errorf("a child of a is in %q, error %v", child, err)
		}
		inA := here(t)
		if err := b.Do(func() error {
			if got := here(t); got == inA || got == home {
				t.Errorf("in b within a: %d; a is %d, home is %d", got, inA, home)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if got := here(t); got != inA {
			t.Errorf("in a after b: %d, want %d", got, inA)
		}
		return errInside
	})
	if err != errInside {
		t.Errorf("error %v, want f's own", err)
	}
	if got := here(t); got != home {
		t.Errorf("after all: %d, want %d", got, home)
	}
}

func TestDoByManyGoroutines(t *testing.T) {
	t.Parallel()
	home := here(t)
	spaces := []*netnstest.NS{netnstest.New(t), netnstest.New(t), netnstest.New(t)}
	var running sync.WaitGroup
	for i := range 12 {
		ns := spaces[i%len(spaces)]
		running.Go(func() {
			for range 50 {
				err := ns.Do(func() error {
					runtime.Gosched()
					if got := fmt.Sprintf(":%d", here(t)); !strings.HasSuffix(ns.ID(), got) {
						return fmt.Errorf("in %s, want %s", got, ns.ID())
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if got := here(t); got != home {
					t.Errorf("back in %d, want %d", got, home)
				}
			}
		})
	}
	running.Wait()
}

func TestDoWithoutPrivileges(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	current, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer current.Close()
	currentByPath, err := netns.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer currentByPath.Close()

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	without(t, unix.CAP_SYS_ADMIN, func() {
		if err := unix.Setns(current.FD(), unix.CLONE_NEWNET); !errors.Is(err, unix.EPERM) {
			t.Fatalf("setns to the current namespace: %v, so this test proves nothing", err)
		}
		for _, ns := range []*netns.NS{current, currentByPath} {
			called := false
			if err := ns.Do(func() error { called = true; return nil }); err != nil || !called {
				t.Errorf("%s: called %v, error %v", ns, called, err)
			}
		}
		err := ns.Do(func() error { t.Error("f was called"); return nil })
		if !errors.Is(err, unix.EPERM) {
			t.Fatalf("error %v, want %v", err, unix.EPERM)
		}
		for _, want := range []string{"enter network namespace /proc/", "net:[", "CAP_SYS_ADMIN", "user namespace"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not mention %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("error of more than one line: %q", err)
		}
	})
}

func TestCurrentOfAnotherThread(t *testing.T) {
	t.Parallel()
	var current *netns.NS
	netnstest.New(t).Run(t, func() {
		var err error
		if current, err = netns.Current(); err != nil {
			t.Fatal(err)
		}
	})
	defer current.Close()
	err := current.Do(func() error { t.Error("f was called"); return nil })
	if err == nil || !strings.Contains(err.Error(), "this thread has moved to another one") {
		t.Errorf("error %v", err)
	}
}

func TestThreadThatCannotComeBackEnds(t *testing.T) {
	t.Parallel()
	home := here(t)
	ns := netnstest.New(t)
	for _, test := range []struct {
		name string
		errF error
		want string
	}{
		{"f succeeds", nil, "return from network namespace"},
		{"f fails", errors.New("f failed"), "f failed; after that: return from network namespace"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tid int
			offMainThread(func() {
				err := ns.Do(func() error {
					tid = unix.Gettid()
					drop, _ := capabilities(t, unix.CAP_SYS_ADMIN)
					drop()
					return test.errF
				})
				if err == nil || !strings.HasPrefix(err.Error(), test.want) || !errors.Is(err, unix.EPERM) {
					t.Errorf("error %v, want %q", err, test.want)
				}
				if test.errF != nil && !errors.Is(err, test.errF) {
					t.Errorf("error %v does not wrap f's", err)
				}
			})
			for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
				_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", tid))
				if errors.Is(err, os.ErrNotExist) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("thread %d is still there", tid)
				}
			}
			if got := here(t); got != home {
				t.Errorf("the test went on in %d, want %d", got, home)
			}
		})
	}
}

// offMainThread calls f on a goroutine that is not on the process's main
// thread, which Go cannot end, and waits for it.
func offMainThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		runtime.LockOSThread() // so that the next one is elsewhere
		defer runtime.UnlockOSThread()
		offMainThread(f)
	}()
	<-done
}
