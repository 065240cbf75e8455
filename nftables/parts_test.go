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
	if n > 64*maxRanges {
		t.Skipf("net.core.wmem_max is %d here: the lists would have to be larger than they can be tested in short", n)
	}
	// The kernel doubles the limit, an interval of IPv6 addresses takes 64 bytes,
	// and there are two lists.
	list := make([]netip.Prefix, min(n/64+partSize, maxRanges))
	for i := range list {
		var a [16]byte
		a[0] = 0x20
		binary.BigEndian.PutUint32(a[2:], uint32(i))
		list[i] = netip.PrefixFrom(netip.AddrFrom16(a), 64)
	}
	refuseTooManyRules(t, n)
	p := standard()
	p.Inbound[1].Match.Src = list
	p.Outbound[5].Match.Dst = list
	within(t, func(_ *netnstest.NS, b *Backend) {
		if got := makeLive(t, b, p); got < 2*len(list)/partSize {
			t.Errorf("%d commits", got)
		}
		p.Inbound[1].Match.Src = lengthened(list)
		p.Outbound[5].Match.Dst = lengthened(list)
		if got := makeLive(t, b, p); got < 2*len(list)/partSize {
			t.Errorf("%d commits for the change", got)
		}
		p.Outbound = bare().Outbound
		p.Inbound = append(p.Inbound[:1:1], plan.Rule{Name: "redirect-inbound", Match: plan.Match{TCP: true}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}})
		if got := makeLive(t, b, p); got != 1 {
			t.Errorf("%d commits for lists that go, want 1", got)
		}
	})
}

// Rules, unlike lists, cannot go in parts: nothing is left behind then.
func refuseTooManyRules(t *testing.T, limit int) {
	within(t, func(_ *netnstest.NS, b *Backend) {
		p := standard()
		for i := range limit / 80 {
			p.Outbound = append(p.Outbound, plan.Rule{Name: "loopback", Match: plan.Match{OutInterface: "lo" + strconv.Itoa(i)}})
		}
		if _, err := b.Apply(context.Background(), read(t, b), desired(p)); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("%v, want EMSGSIZE", err)
		}
		if s := read(t, b).State(); !s.Empty() {
			t.Errorf("left behind: %d sections", len(s.Sections))
		}
	})
}

// lengthened returns every second prefix with another length.
func lengthened(list []netip.Prefix) []netip.Prefix {
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
