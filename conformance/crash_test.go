package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// crash is a run that is killed: what stands there before it, and what it is
// to do.
type crash struct {
	name   string
	before func(*site)
	verb   string
	flags  []string
	noIPv6 bool
}

// site is a namespace for runs that are killed: no connections are made there.
type site struct {
	testing.TB
	variant
	ns *netnstest.NS
}

// command returns a run of a verb on the site's backend.
func (s *site) command(verb string, noIPv6 bool, flags ...string) command {
	args := []string{verb}
	if verb != "clear" {
		args = append(args, s.variant.flags...)
		args = append(args, fmt.Sprintf("--ipv6=%t", !noIPv6))
	}
	return command{args: append(args, flags...)}
}

// run runs a verb, which must succeed.
func (s *site) run(verb string, noIPv6 bool, flags ...string) {
	s.Helper()
	c := s.command(verb, noIPv6, flags...)
	c.run(s, s.ns).succeeded(s, c)
}

// crashes returns the runs to kill on one backend.
func crashes(v variant) []crash {
	first := []string{"--skip-ports", "9000-9010,9100", "--skip-subnets", "10.9.0.0/16,fd01:9::/32"}
	second := []string{"--skip-ports", "9005-9020,9100", "--skip-outbound-subnets", "198.51.100.0/24,2001:db8::/32", "--skip-outbound-uids", "5000"}
	other := variants()[0]
	if v.name == other.name {
		other = variants()[2]
	}
	list := []crash{
		{name: "first run", before: func(*site) {}, verb: "init", flags: first},
		{name: "changed run", before: func(s *site) { s.run("init", false, first...) }, verb: "init", flags: second},
		{name: "IPv6 switched off", before: func(s *site) { s.run("init", false, first...) }, verb: "init", flags: second, noIPv6: true},
		{name: "IPv6 switched on", before: func(s *site) { s.run("init", true, first...) }, verb: "init", flags: second},
		{name: "take-over from " + other.name, before: func(s *site) {
			other.need(s)
			earlier := *s
			earlier.variant = other
			earlier.run("init", false, first...)
		}, verb: "init", flags: second},
		{name: "take-over from Linkerd", before: func(s *site) {
			variants()[1].need(s)
			lines := slices.Concat(linkerdRules("iptables-nft"), linkerdRules("ip6tables-nft"))
			s.ns.Exec(s, "PATH=$PATH:/usr/sbin:/sbin\n"+strings.Join(lines, "\n"), "sh", "-e")
		}, verb: "init", flags: first},
		{name: "clear", before: func(s *site) { s.run("init", false, first...) }, verb: "clear"},
	}
	if v.name == "nftables" {
		list = append(list, crash{name: "altered base chain", before: func(s *site) {
			s.run("init", false, first...)
			s.ns.Exec(s, "", "nft", "add chain inet shunt inbound { policy drop; }")
		}, verb: "init", flags: second})
	}
	return list
}

// TestKilled kills the program, and what it started, before and after each of
// the system calls that commit something or start a child. What is live then
// is what was there or what is to be there, and the next run completes it.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range crashes(v) {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.everywhere(t, v)
				})
			}
		})
	}
}

// everywhere kills the run at one point after the other.
func (c crash) everywhere(t *testing.T, v variant) {
	kinds := []string{"commit", "exec"}
	if formOf() == long {
		kinds = append(kinds, "question")
	}
	ref := c.site(t, v)
	old := live(t, ref.ns)
	points := 0
	c.traced(t, ref, func(k call) action {
		if k.enter && slices.Contains(kinds, k.kind()) {
			points++
		}
		return action{}
	})
	new := live(t, ref.ns)
	if points == 0 || fmt.Sprint(new) == fmt.Sprint(old) {
		t.Fatalf("the run has %d points to be killed at, and left:\n%v", points, new)
	}
	for point := 1; point <= points; point++ {
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%s %d of %d", when, point, points), func(t *testing.T) {
				s := c.site(t, v)
				seen := 0
				c.traced(t, s, func(k call) action {
					if !slices.Contains(kinds, k.kind()) {
						return action{}
					}
					if k.enter {
						seen++
					}
					if seen == point && k.enter == (when == "before") {
						return action{kill: true}
					}
					return action{}
				})
				if seen < point {
					t.Fatalf("the run came to %d of %d points", seen, points)
				}
				figures.add("kills at a system call", 1)
				c.completes(s, old, new)
			})
		}
	}
}

// site returns a namespace that is ready for the run.
func (c crash) site(t testing.TB, v variant) *site {
	t.Helper()
	v.need(t)
	s := &site{t, v, netnstest.New(t)}
	c.before(s)
	return s
}

// completes checks what a killed run left, and that the next one ends well.
func (c crash) completes(s *site, old, new snapshot) {
	s.Helper()
	live(s, s.ns).between(s, old, new)
	s.run(c.verb, c.noIPv6, c.flags...)
	live(s, s.ns).equals(s, new)
	if c.verb == "init" {
		s.run("diff", c.noIPv6, c.flags...)
	}
}

// traced runs the command under ptrace. It may be killed; else it must
// succeed.
func (c crash) traced(t *testing.T, s *site, at func(call) action) {
	t.Helper()
	killed := false
	r := s.traced(s.command(c.verb, c.noIPv6, c.flags...), func(k call) action {
		a := at(k)
		killed = killed || a.kill
		return a
	})
	if !killed && r.code != 0 {
		t.Fatalf("exit status %d\n%s", r.code, r.stderr)
	}
}

// traced runs a command under ptrace.
func (s *site) traced(c command, at func(call) action) result {
	s.Helper()
	cmd := c.prepare(context.Background(), s)
	log := logFile(s)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	var r result
	err := s.ns.Do(func() (err error) {
		r.code, err = trace(cmd, at)
		return err
	})
	if err != nil {
		s.Fatalf("trace: %v", err)
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		s.Fatal(err)
	}
	r.stderr = string(text)
	return r
}

// logFile returns a file for a child's output. A file, because nobody would
// wait for a traced child's pipes.
func logFile(t testing.TB) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("log", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd))
}

// TestKilledAtAnyTime kills runs with 1,000 skipped ports in each direction at
// random times.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	c := crash{
		before: func(s *site) { s.run("init", false, "--skip-ports", evenPorts(10000, 1000)) },
		verb:   "init", flags: []string{"--skip-ports", evenPorts(10500, 1000), "--skip-subnets", "10.9.0.0/16"},
	}
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			ref := c.site(t, v)
			old := live(t, ref.ns)
			start := time.Now()
			ref.run(c.verb, c.noIPv6, c.flags...)
			took := time.Since(start)
			new := live(t, ref.ns)
			for range pick(6, 300) {
				s := c.site(t, v)
				c.killedAfter(s, time.Duration(r.Int64N(int64(took))))
				figures.add("kills at a random time", 1)
				c.completes(s, old, new)
				if t.Failed() {
					t.Fatalf("SHUNT_CONFORMANCE_SEED=%d", seed)
				}
			}
		})
	}
}

// reap waits for what is left of a process group whose first process is gone.
// It is dying, but may be in the middle of a commit.
func reap(group int) error {
	for {
		_, err := unix.Wait4(-group, nil, 0, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for process group %d: %w", group, err)
		}
	}
}

// killedAfter starts the run and kills its process group after a time.
func (c crash) killedAfter(s *site, after time.Duration) {
	s.Helper()
	// Children of the killed process become this one's, to be waited for.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		s.Fatal(err)
	}
	cmd := s.command(c.verb, c.noIPv6, c.flags...).prepare(context.Background(), s)
	var log bytes.Buffer
	cmd.Stderr = &log
	cmd.SysProcAttr.Setpgid = true
	err := s.ns.Do(func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		timer := time.AfterFunc(after, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
		_ = cmd.Wait()
		timer.Stop()
		return reap(cmd.Process.Pid)
	})
	if err != nil {
		s.Fatal(err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !ws.Signaled() && cmd.ProcessState.ExitCode() != 0 {
		s.Errorf("the run that was to be killed failed: %v: %s", cmd.ProcessState, &log)
	}
}
