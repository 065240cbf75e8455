package iptables

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOutputOfAChildIsReadWithinABound(t *testing.T) {
	isolate(t) // not parallel: what is allocated is counted
	f := fakes{dir: t.TempDir()}
	b := withFakes(t, ModeNFT, f)
	allocated := func(what string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := b.Read(t.Context())
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%s: %d MiB were allocated", what, grown>>20)
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	f.write(t, "iptables-nft-save", "head -c 300000000 /dev/zero >&2; exit 1")
	allocated("complaints")
	f.write(t, "iptables-nft-save", "tr '\\0' y </dev/zero")
	allocated("a rule without an end")
}

func TestHangingWrapperIsKilledWithWhatItStarted(t *testing.T) {
	t.Parallel()
	isolate(t)
	f := fakes{dir: t.TempDir()}
	pidFile := filepath.Join(f.dir, "pid")
	f.write(t, "iptables-nft-save", "sleep 600 & echo $! >"+pidFile+".new; mv "+pidFile+".new "+pidFile+"; wait")
	b := with(t, Options{Mode: ModeNFT, Lookup: f.lookup, Timeout: 2 * time.Second})
	_, err := b.Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "iptables-nft-save -t nat -c: timed out after 2s and was killed") {
		t.Errorf("read: %v", err)
	}
	waitUntilGone(t, pidIn(t, pidFile))
}

func TestWaitForTheLockEndsBeforeTheTimeDoes(t *testing.T) {
	t.Parallel()
	b := with(t, Options{Mode: ModeNFT, WaitSeconds: 60, Timeout: 20 * time.Second})
	if got := b.wait(t.Context()); got != 19 {
		t.Errorf("of 20 s: waits %d s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got := b.wait(ctx); got < 1 || got > 4 {
		t.Errorf("of 5 s: waits %d s", got)
	}
	b = with(t, Options{Mode: ModeNFT, Timeout: time.Millisecond})
	if got := b.wait(t.Context()); got != 1 {
		t.Errorf("of 1 ms: waits %d s", got)
	}
}

// A run that dies takes its child with it, except where the kernel does not
// tell the child. That one still holds what it inherited, so that the next run
// waits for it and is not overtaken by it.
func TestNextRunWaitsForAnOrphan(t *testing.T) {
	t.Parallel()
	sleeps := "echo $$ >$1.new; mv $1.new $1; exec sleep 600"
	tests := []struct {
		name, script string
		capable      bool // the child's file has capabilities
		orphan       bool
	}{
		{name: "a command", script: sleeps},
		{name: "a command with file capabilities", script: sleeps, capable: true, orphan: true},
		{name: "a shell wrapper", script: "sleep 600 & echo $! >$1.new; mv $1.new $1; wait", orphan: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			shell := copyOf(t, "/bin/sh", filepath.Join(dir, "sh"))
			lock, pidFile := filepath.Join(dir, "lock"), filepath.Join(dir, "pid")
			run := exec.Command(os.Args[0])
			if test.capable {
				giveCapability(t, shell, unix.CAP_NET_RAW) // of which root has no need
				run = asUser(t, dir)
			}
			run.Env = append(os.Environ(), helperVariable+"=orphan", "SHELL="+shell, "LOCK="+lock, "PID_FILE="+pidFile, "SCRIPT="+test.script)
			var said strings.Builder
			run.Stderr = &said
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the child runs: "+said.String(), func() bool { _, err := os.Stat(pidFile); return err == nil })
			child := pidIn(t, pidFile)
			_ = run.Process.Kill()
			_ = run.Wait()

			f, err := os.Open(lock)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if test.orphan {
				if gone(child) {
					t.Fatal("the child died with the run: this shows nothing")
				}
				if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
					t.Errorf("the lock is free beside an orphan: %v", err)
				}
				_ = unix.Kill(child, unix.SIGKILL)
			}
			waitUntilGone(t, child)
			eventually(t, "the lock is free", func() bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil })
		})
	}
}

func TestLegacyTablesThatCannotBeListedAreAnErrorUnlessThatIsForRootOnly(t *testing.T) {
	t.Parallel()
	out := helper(t, exec.Command(os.Args[0]), "no-files")
	if !strings.Contains(out, "too many open files") {
		t.Errorf("without a file descriptor to read the list with: %s", out)
	}
}

// A binary with file capabilities, run by somebody who has none, runs nothing
// of theirs.
func TestPrivilegedBinaryLooksForCommandsInTheSystemsFoldersOnly(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	cmd := asUser(t, dir)
	giveCapability(t, cmd.Path, unix.CAP_NET_ADMIN)
	f := fakes{dir: dir}
	f.write(t, "iptables-nft-save", "touch "+dir+"/ran")
	if err := os.Symlink("/dev/null", filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + dir, "TMPDIR=" + dir, lockVariable + "=" + dir + "/lock"}
	out := helper(t, cmd, "secure")
	if _, err := os.Stat(dir + "/ran"); err == nil {
		t.Error("a command of PATH ran")
	}
	for _, want := range []string{"secure true", "PATH=" + secureDirs + "\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	if strings.Contains(out, dir) {
		t.Errorf("%s counts:\n%s", dir, out)
	}
}
