package nftables

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
	"shunt/plan"
)

// A list that does not fit one batch where the socket's buffer is limited is
// committed in parts, when it comes and when it changes.
func TestListLargerThanTheSocketTakesGoesInParts(t *testing.T) {
	t.Parallel()
	if os.Getenv("SHUNT_TEST_LIMITED") == "" {
		inUserNamespace(t)
		return
	}
	limit, err := os.ReadFile("/proc/sys/net/core/wmem_max")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err != nil {
		t.Fatal(err)
	}
	const most = 8 << 20
	if n > most {
		t.Skipf("net.core.wmem_max is %d here: the lists would have to be larger than they can be tested in short", n)
	}
	// The kernel doubles the limit, and an interval of IPv6 addresses takes 64 bytes.
	list := make([]netip.Prefix, 2*n/64+partSize)
	for i := range list {
		var a [16]byte
		a[0] = 0x20
		binary.BigEndian.PutUint32(a[2:], uint32(i))
		list[i] = netip.PrefixFrom(netip.AddrFrom16(a), 64)
	}
	refuseTooManyRules(t, n)
	p := standard()
	p.Inbound[1].Match.Src = list
	within(t, func(_ *netnstest.NS, b *Backend) {
		if got := bring(t, b, p); got < len(list)/partSize {
			t.Errorf("%d commits", got)
		}
		if !b.inParts {
			t.Error("the list fitted: make it longer")
		}
		b.inParts = false // as for another run
		p.Inbound[1].Match.Src = odd(list)
		if got := bring(t, b, p); got < len(list)/2/partSize {
			t.Errorf("%d commits for the change", got)
		}
		b.inParts = false
		p.Inbound[1].Match.Src = nil
		p.Inbound = append(p.Inbound[:1:1], plan.Rule{Name: "redirect-inbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}})
		if got := bring(t, b, p); got != 1 {
			t.Errorf("%d commits for a list that goes, want 1", got)
		}
	})
}

// Rules, unlike lists, cannot go in parts: nothing is left behind then.
func refuseTooManyRules(t *testing.T, limit int) {
	within(t, func(_ *netnstest.NS, b *Backend) {
		p := standard()
		ids := make([]plan.IDRange, limit/80)
		for i := range ids {
			ids[i] = plan.IDRange{First: uint32(2 * i), Last: uint32(2 * i)}
		}
		p.Outbound[2].Match.UID = ids
		if _, err := b.Apply(context.Background(), look(t, b), desired(p)); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("%v, want EMSGSIZE", err)
		}
		if s := read(t, b); !s.Empty() {
			t.Errorf("left behind: %d sections", len(s.Sections))
		}
	})
}

// odd returns every second prefix with another length.
func odd(list []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.PrefixFrom(p.Addr(), 64+i%2)
	}
	return out
}

// inUserNamespace runs the test again as root of a user namespace, who may not
// make a socket's buffer as large as it likes.
func inUserNamespace(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "SHUNT_TEST_LIMITED=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	switch {
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip("skipped in the user namespace")
	case err != nil && len(out) == 0:
		netnstest.Skip(t, "needs a user namespace: %v", err)
	case err != nil:
		t.Errorf("in a user namespace: %v", err)
	}
}
