package cni

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// ended runs a command and fails the test if it does not end. How long it takes
// does not matter: without a bound it takes forever.
func ended(t *testing.T, ns *netnstest.NS, cmd *exec.Cmd, e env, stdin string) (status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for k, v := range e {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdin = strings.NewReader(stdin)
	if err := ns.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-ctx.Done()
		_ = cmd.Process.Kill()
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s did not end: %v", e["CNI_COMMAND"], errors.Join(err, ctx.Err()))
	}
	return cmd.ProcessState.ExitCode()
}

// unread returns the writing end of a pipe that is full and that nobody reads.
func unread(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if err := w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for range 1 << 20 {
		if _, err := w.Write(make([]byte, 512)); err != nil {
			break
		}
	}
	return w
}

// testHeld has the program end although what it writes to does not take it: it
// was alive, with a timeout of 2 s, after 10 s.
func testHeld(t *testing.T, dir string) {
	path := filepath.Join(dir, "shunt")
	short := func(members ...string) string {
		return strings.Replace(realConf(append(members, `"timeout":"2s"`)...), "1.0.0", "1.1.0", 1)
	}
	verbs := []string{"ADD", "CHECK", "DEL", "STATUS", "GC", "VERSION", "no verb"}

	t.Run("nobody reads standard error", func(t *testing.T) {
		t.Parallel()
		node, pod := netnstest.New(t), netnstest.New(t)
		for _, verb := range verbs {
			var out bytes.Buffer
			cmd := exec.Command(path)
			cmd.Stdout, cmd.Stderr = &out, unread(t)
			status := ended(t, node, cmd, podEnv(verb, pod.Path), short(injected(), `"log_level":"debug"`))
			if (status == 0) != (verb != "no verb") {
				t.Errorf("%s: status %d, result %s", verb, status, &out)
			}
			if rules := ruleset(t, pod); (rules == "") != (verb != "ADD" && verb != "CHECK") {
				t.Errorf("after %s:\n%s", verb, rules)
			}
		}
	})
	t.Run("nobody reads anything", func(t *testing.T) {
		t.Parallel()
		node, pod := netnstest.New(t), netnstest.New(t)
		for _, verb := range verbs {
			cmd := exec.Command(path)
			cmd.Stdout, cmd.Stderr = unread(t), unread(t)
			status := ended(t, node, cmd, podEnv(verb, pod.Path), short(injected(), `"log_level":"debug"`))
			says := verb == "ADD" || verb == "VERSION" || verb == "no verb" // and nobody hears it
			if (status == 0) == says {
				t.Errorf("%s: status %d", verb, status)
			}
		}
	})
	t.Run("the log's reader has gone", func(t *testing.T) {
		t.Parallel()
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		r.Close()
		var out bytes.Buffer
		cmd := exec.Command(path)
		cmd.Stdout, cmd.Stderr = &out, w
		if status := ended(t, netnstest.New(t), cmd, podEnv("ADD", netnstest.New(t).Path), short(injected())); status != 0 {
			t.Errorf("status %d, %s", status, &out)
		}
	})
	t.Run("the disk of the log does not answer", func(t *testing.T) {
		t.Parallel()
		if _, err := os.Stat("/dev/fuse"); err != nil {
			netnstest.Skip(t, "needs FUSE: %v", err)
		}
		node, pod := netnstest.New(t), netnstest.New(t)
		mountpoint := t.TempDir()
		for _, verb := range []string{"ADD", "CHECK", "DEL", "STATUS"} {
			var out, errs bytes.Buffer
			cmd := exec.Command("/proc/self/exe", mountpoint, path)
			cmd.Args[0] = hungDisk
			cmd.Stdout, cmd.Stderr = &out, &errs
			status := ended(t, node, cmd, podEnv(verb, pod.Path), short(injected(), `"log_file":"`+mountpoint+`/shunt.log"`))
			if status != 0 || !strings.Contains(errs.String(), "log_file is not used") || !strings.Contains(errs.String(), "a request was left unanswered") {
				t.Errorf("%s: status %d, result %s, log\n%s", verb, status, &out, &errs)
			}
			if rules := ruleset(t, pod); (rules == "") != (verb != "ADD" && verb != "CHECK") {
				t.Errorf("after %s:\n%s", verb, rules)
			}
		}
	})
}

// hungDisk is the name, argv[0], under which the test binary mounts a file
// system of its own at its first argument that answers nothing, and runs the
// program that its second argument names. What waits for such a file system
// cannot be killed (request_wait_answer in fs/fuse/dev.c).
const hungDisk = "hung-disk"

func playHungDisk(mountpoint, program string) int {
	runtime.LockOSThread() // the mount namespace is the thread's
	fail := func(doing string, err error) int {
		fmt.Fprintln(os.Stderr, doing+":", err)
		return 100
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fail("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("make mounts private", err)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("open /dev/fuse", err)
	}
	err = unix.Mount("hung", mountpoint, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd))
	if err != nil {
		return fail("mount", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- takeRequest(fd) }()
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	if err := <-taken; err != nil {
		return fail("serve", err)
	}
	fmt.Fprintln(os.Stderr, "a request was left unanswered")
	if err != nil && cmd.ProcessState == nil {
		return fail("run", err)
	}
	return cmd.ProcessState.ExitCode()
}

// takeRequest answers FUSE_INIT, the kernel's first message, and takes the next
// without an answer (linux/fuse.h).
func takeRequest(fd int) error {
	buf := make([]byte, 64<<10)
	n, err := unix.Read(fd, buf)
	if err != nil || n < 40 {
		return fmt.Errorf("FUSE_INIT: %d bytes, %w", n, err)
	}
	answer := make([]byte, 16+64) // fuse_out_header, fuse_init_out
	binary.NativeEndian.PutUint32(answer[0:], uint32(len(answer)))
	copy(answer[8:16], buf[8:16])                        // unique
	binary.NativeEndian.PutUint32(answer[16:], 7)        // major
	binary.NativeEndian.PutUint32(answer[20:], 31)       // minor
	binary.NativeEndian.PutUint32(answer[16+20:], 4<<10) // max_write
	if _, err := unix.Write(fd, answer); err != nil {
		return fmt.Errorf("answer FUSE_INIT: %w", err)
	}
	_, err = unix.Read(fd, buf)
	return err
}

func TestAnOutletGivesUpOnce(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	o := &outlet{fd: int(w.Fd()), patience: time.Millisecond}
	long := bytes.Repeat([]byte("line\n"), 10<<10)
	if n, err := o.Write(long); n != len(long) || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	n, err := o.Write(long)
	if n == len(long) || !errors.Is(err, errNobodyReads) {
		t.Errorf("a full pipe took %d bytes, %v", n, err)
	}
	if _, err := io.CopyN(io.Discard, r, int64(len(long)+n)); err != nil {
		t.Fatal(err)
	}
	// What came after a gap would be half a line.
	if n, err := o.Write([]byte("x")); n != 0 || !errors.Is(err, errNobodyReads) {
		t.Errorf("after that: %d bytes, %v", n, err)
	}
}

// A goroutine that waits in a write holds the log's lock.
func TestTheLastResortWritesNothing(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]int{"ADD": 1, "CHECK": 1, "DEL": 0} {
		ended := make(chan int, 2)
		r := &run{Plugin: (&fakeRules{}).plugin(), getenv: func(name string) string { return podEnv(verb, "/x")[name] },
			stdin: strings.NewReader(""), stdout: stuck{}, stderr: stuck{}, exit: func(status int) { ended <- status }, bound: time.Millisecond}
		go r.main()
		if status := <-ended; status != want {
			t.Errorf("%s: status %d, want %d", verb, status, want)
		}
	}
}

// stuck is an output whose writes do not return.
type stuck struct{}

func (stuck) Write([]byte) (int, error) { select {} }
