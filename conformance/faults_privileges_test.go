package conformance

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// nobody is the user that Linkerd's chart runs proxy-init as.
const nobody = 65534

// withFileCaps returns the path of a copy of the program that has the file
// capabilities of shunt's image: NET_ADMIN and NET_RAW, permitted only.
func withFileCaps(t testing.TB) string {
	t.Helper()
	path := copyProgram(t)
	// struct vfs_cap_data, revision 2 (linux/capability.h).
	var caps [20]byte
	binary.LittleEndian.PutUint32(caps[0:], 0x02000000)
	binary.LittleEndian.PutUint32(caps[4:], 1<<unix.CAP_NET_ADMIN|1<<unix.CAP_NET_RAW)
	err := unix.Setxattr(path, "security.capability", caps[:], 0)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP):
		netnstest.Skip(t, "needs to set file capabilities: %v", err)
	case err != nil:
		t.Fatal(err)
	}
	return path
}

// asInitContainer is how a container runtime starts Linkerd's init container:
// another user, two capabilities, no new privileges, and a root file system
// that cannot be written to.
func asInitContainer(path string, caps ...uintptr) *launch {
	return &launch{
		Path: path, UID: nobody, Caps: caps, Drop: except(caps), NoNewPrivs: true,
		Mounts: []mount{{Kind: "readonly", Target: "/"}},
	}
}

// except returns all capabilities but some.
func except(caps []uintptr) []uintptr {
	var rest []uintptr
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if !slices.Contains(caps, c) {
			rest = append(rest, c)
		}
	}
	return rest
}

// TestAsInitContainer applies rules, and changes, compares and removes them, as
// the user and with the privileges of an init container.
func TestAsInitContainer(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			netnstest.IDs(t, nobody)
			s := newStage(t, v, true, "--skip-ports", "9000")
			netnstest.StartProxy(s, s.Pod, inboundPort, outboundPort)
			container := asInitContainer(withFileCaps(t), unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
			run := func(verb string) result {
				t.Helper()
				c := command{args: s.args(verb), launch: container}
				return c.run(t, s.Pod).succeeded(t, c)
			}
			for _, result := range []string{"new", "unchanged"} {
				if rep := run("init").report(t); rep.Backend != v.name || rep.Result != result {
					t.Errorf("init: %+v, want %s", rep, result)
				}
			}
			s.check(all(inbound(redirected, 80), inbound(bypassed, 9000), outbound(redirected, 80), outbound(bypassed, 9000)))
			s.diff() // as root, too
			run("diff")
			s.flags = []string{"--skip-ports", "9001"}
			if rep := run("init").report(t); rep.Result != "replaced" {
				t.Errorf("init with another configuration: %+v", rep)
			}
			s.check(all(inbound(redirected, 80, 9000), inbound(bypassed, 9001)))
			c := command{args: []string{"clear"}, launch: container}
			c.run(t, s.Pod).succeeded(t, c)
			s.sole("none")
		})
	}
}

// TestAsInitContainerOverLeftovers is the same over rules that others left: of
// nf_tables they are found and go; of legacy iptables, whose tables only root
// may list, what is there is not known, and the log says so.
func TestAsInitContainerOverLeftovers(t *testing.T) {
	t.Parallel()
	netnstest.IDs(t, nobody)
	path := withFileCaps(t)
	container := asInitContainer(path, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW)
	for _, v := range iptablesVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false)
			s.variant = variants()[0]
			c := s.command("init", false)
			c.launch = container
			r := c.run(t, s.ns).succeeded(t, c)
			l := live(t, s.ns)
			if v.name == "iptables-nft" {
				if len(l) != 1 || l["nftables inet shunt"] == "" {
					t.Errorf("live is:\n%v", l)
				}
				return
			}
			if !strings.Contains(r.stderr, "legacy") {
				t.Errorf("the log does not say that legacy rules were not looked for:\n%s", r.stderr)
			}
			// The same user removes them when told to.
			c = command{args: []string{"clear"}, launch: container}
			c.run(t, s.ns).succeeded(t, c)
			live(t, s.ns).equals(t, snapshot{})
		})
	}
}

// TestOnlyNetAdmin has the one capability that nftables needs, and that is not
// enough for legacy iptables.
func TestOnlyNetAdmin(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			netnstest.IDs(t, nobody)
			s := newSite(t, v)
			c := s.command("init", false)
			c.launch = asInitContainer(withFileCaps(t), unix.CAP_NET_ADMIN)
			r := c.run(t, s.ns)
			if v.name == "iptables-legacy" {
				r.failed(t, 2, "NET_RAW")
				live(t, s.ns).equals(t, snapshot{})
				return
			}
			r.succeeded(t, c)
			s.run("diff", false)
		})
	}
}

// TestNoCapability lacks what is needed, in three ways: the error names it, and
// nothing is touched. What needs none works all the same.
func TestNoCapability(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		name   string
		launch func(t *testing.T) *launch
	}{
		{"another user", func(t *testing.T) *launch {
			netnstest.IDs(t, nobody)
			return &launch{Path: copyProgram(t), UID: nobody}
		}},
		{"a container without capabilities", func(t *testing.T) *launch {
			netnstest.IDs(t, nobody)
			return asInitContainer(withFileCaps(t))
		}},
		{"root without NET_ADMIN", func(*testing.T) *launch { return &launch{Drop: []uintptr{unix.CAP_NET_ADMIN}} }},
	} {
		for _, v := range variants() {
			t.Run(way.name+" "+v.name, func(t *testing.T) {
				t.Parallel()
				l := way.launch(t)
				s := newSite(t, v)
				for _, verb := range []string{"init", "clear"} {
					c := s.command(verb, false)
					c.launch = l
					c.run(t, s.ns).failed(t, 2, "NET_ADMIN")
				}
				live(t, s.ns).equals(t, snapshot{})
				c := s.command("plan", false)
				c.launch = l
				c.run(t, s.ns).succeeded(t, c)
			})
		}
	}
}
