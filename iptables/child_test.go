package iptables

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A signal can end the look at whether the child has ended, which then has
// not: the wait for it must not fail for that. The Go runtime sends itself
// such signals all the time.
func TestChildIsWaitedForUnderSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, thread := os.Getpid(), unix.Gettid()
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Tgkill(pid, thread, unix.SIGURG)
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	for range 200 {
		if err := runParked(exec.Command("true")); err != nil {
			t.Fatal(err)
		}
	}
}
