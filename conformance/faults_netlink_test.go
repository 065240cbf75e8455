package conformance

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNetlinkFails lets each of the program's netlink calls fail in turn: with
// EINTR, as when a signal comes to one that waits, which must make no
// difference; and with ENOBUFS, as when a buffer overflows and an answer is
// lost, which may fail the run but must not leave half of something.
func TestNetlinkFails(t *testing.T) {
	t.Parallel()
	if errors.Is(setFirstArg(0, 0), errors.ErrUnsupported) {
		t.Skip("changes registers of a traced process, which these tests do not know on " + runtime.GOARCH)
	}
	v := variants()[0]
	for _, c := range crashes(v)[:2] { // a first and a changed run
		ref := c.site(t, v)
		old := live(t, ref.ns)
		calls := 0
		c.traced(t, ref, func(k call) action {
			if k.enter && k.netlink() {
				calls++
			}
			return action{}
		})
		new := live(t, ref.ns)
		for n := 1; n <= calls; n++ {
			for _, fault := range []struct {
				name string
				fail unix.Errno
				made bool // the call takes place, and fails all the same
			}{{"EINTR", unix.EINTR, false}, {"ENOBUFS", unix.ENOBUFS, false}, {"ENOBUFS after it", unix.ENOBUFS, true}} {
				if formOf() != long && fault.fail == unix.ENOBUFS && n%3 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s, call %d of %d, %s", c.name, n, calls, fault.name), func(t *testing.T) {
					t.Parallel()
					s := c.site(t, v)
					seen := 0
					r := s.traced(s.command(c.verb, c.noIPv6, c.flags...), func(k call) action {
						if !k.netlink() {
							return action{}
						}
						if k.enter {
							seen++
						}
						if seen != n || k.enter == fault.made || fault.fail == unix.EINTR && !k.waits() {
							return action{}
						}
						return action{fail: fault.fail}
					})
					figures.add("failing netlink calls", 1)
					switch {
					case r.code == 0:
						live(t, s.ns).equals(t, new)
					case r.code == 1 && fault.fail != unix.EINTR:
						if !strings.Contains(r.stderr, unix.ENOBUFS.Error()) {
							t.Errorf("the error does not say %q:\n%s", unix.ENOBUFS.Error(), r.stderr)
						}
					default:
						t.Errorf("exit status %d\n%s", r.code, r.stderr)
					}
					c.completes(s, old, new)
				})
			}
		}
	}
}

// waits reports whether a call on a file can wait, and so be interrupted: one on
// a non-blocking file, such as those of google/nftables, cannot.
func (c call) waits() bool {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", c.pid, c.args[0]))
	_, flags, found := strings.Cut(string(info), "flags:")
	if err != nil || !found {
		return false
	}
	n, err := strconv.ParseUint(strings.Fields(flags)[0], 8, 64) // proc_pid_fdinfo(5)
	return err == nil && n&unix.O_NONBLOCK == 0
}

// netlink reports whether a call sends to netfilter or receives from it.
func (c call) netlink() bool {
	switch c.nr {
	case unix.SYS_RECVMSG, unix.SYS_RECVFROM: // the program has no other sockets
		return true
	}
	kind := c.kind()
	return kind == "commit" || kind == "question"
}
