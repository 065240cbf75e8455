package conformance

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

// TestNoNfTables runs on what looks like a kernel without nf_tables: what was
// asked for by name fails, and auto goes on to legacy iptables.
func TestNoNfTables(t *testing.T) {
	t.Parallel()
	variants()[2].need(t)
	kernel := &launch{Deny: []denial{noNfTables()}}
	for _, v := range variants()[:2] {
		s := newSite(t, v)
		c := s.command("init", false)
		c.launch = kernel
		c.run(t, s.ns).failed(t, 1, v.name)
		live(t, s.ns).equals(t, snapshot{})
	}
	s := newSite(t, variant{name: "auto"})
	c := s.command("init", false, "--log-format", "json")
	c.launch = kernel
	r := c.run(t, s.ns).succeeded(t, c)
	if rep := r.report(t); rep.Backend != "iptables-legacy" {
		t.Errorf("auto chose %s", rep.Backend)
	}
	for _, step := range []string{"nftables", "iptables-nft"} {
		if !strings.Contains(r.stderr, `"backend":"`+step+`","reason"`) {
			t.Errorf("the log does not say why %s was passed over:\n%s", step, r.stderr)
		}
	}
}

// TestNoBackend runs where the kernel has neither.
func TestNoBackend(t *testing.T) {
	t.Parallel()
	variants()[2].need(t)
	s := newSite(t, variant{name: "auto"})
	c := s.command("init", false)
	c.launch = &launch{Deny: []denial{noNfTables(), noLegacy(unix.SOL_IP), noLegacy(unix.SOL_IPV6)}}
	c.run(t, s.ns).failed(t, 1, "no backend can be used", "nftables:", "iptables-nft:", "iptables-legacy:")
	live(t, s.ns).equals(t, snapshot{})
}

// TestNoIPv6NAT runs on what looks like a kernel that cannot translate IPv6
// addresses. Where there are none that matter, rules for IPv4 alone are right,
// and stay right for diff; where there is one they would let traffic pass.
func TestNoIPv6NAT(t *testing.T) {
	t.Parallel()
	v := variants()[2]
	kernel := &launch{Deny: []denial{noLegacy(unix.SOL_IPV6)}}
	s := newSite(t, v)
	c := s.command("init", false, "--log-format", "json")
	c.launch = kernel
	for _, result := range []string{"new", "unchanged"} {
		r := c.run(t, s.ns).succeeded(t, c)
		if rep := r.report(t); rep.IPv6 || rep.Result != result {
			t.Errorf("%+v, want %s and IPv4 only", rep, result)
		}
		if !strings.Contains(r.stderr, "exception ipv6-not-supported") {
			t.Errorf("the log does not name the exception:\n%s", r.stderr)
		}
	}
	diff := s.command("diff", false)
	for _, diff.launch = range []*launch{kernel, nil} {
		if r := diff.run(t, s.ns); r.code != 0 || r.stdout != "" || !strings.Contains(r.stderr, "exception ipv6-not-supported") {
			t.Errorf("diff: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	other := s.command("diff", false, "--skip-ports", "9001")
	if r := other.run(t, s.ns); r.code != 1 {
		t.Errorf("diff with another plan: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	// Rules that lost those for IPv6 are no exception.
	lost := newSite(t, v)
	lost.run("init", false)
	lost.ns.Exec(t, "", "ip6tables-legacy", "-t", "nat", "-F")
	lost.ns.Exec(t, "", "ip6tables-legacy", "-t", "nat", "-X")
	if r := lost.command("diff", false).run(t, lost.ns); r.code != 1 || !strings.Contains(r.stdout, "ip6 nat") {
		t.Errorf("diff without the rules for IPv6: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	s.ns.Exec(t, "", "ip", "addr", "add", "2001:db8::1/64", "dev", "lo")
	if r := diff.run(t, s.ns); r.code != 1 || !strings.Contains(r.stdout, "ip6 nat") {
		t.Errorf("diff with an IPv6 address: exit status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	old := live(t, s.ns)
	c = s.command("init", false, "--skip-ports", "9001")
	c.launch = kernel
	c.run(t, s.ns).failed(t, 1, "the namespace has an IPv6 address", "--ipv6=false")
	live(t, s.ns).equals(t, old)
	c.launch = nil
	c.run(t, s.ns).succeeded(t, c)
}

// TestReadOnlyProcSys asks for a setting that cannot be written, as in every
// container that is not privileged: that is known before the rules are live, and
// nothing is touched.
func TestReadOnlyProcSys(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			c := s.command("init", false, "--timeout-close-wait-secs", "3600")
			c.launch = &launch{Mounts: []mount{{Kind: "readonly", Target: "/proc/sys"}}}
			c.run(t, s.ns).failed(t, 2, "timeout-close-wait-secs", "cannot be set, so nothing was applied", "read-only")
			live(t, s.ns).equals(t, snapshot{})
			c.args = s.command("init", false).args
			c.run(t, s.ns).succeeded(t, c)

			s.run("init", false, "--timeout-close-wait-secs", "3600")
			if got := s.ns.Exec(t, "", "cat", "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait"); got != "3600\n" {
				t.Errorf("the setting is %q", got)
			}
		})
	}
}

// TestIPv6Disabled has a pod whose IPv6 is off, while the rules cover it.
func TestIPv6Disabled(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, v, true)
			err := s.Pod.Do(func() error { return netns.WriteSysctl("net.ipv6.conf.all.disable_ipv6", "1") })
			if err != nil {
				t.Fatal(err)
			}
			netnstest.StartProxy(s, s.Pod, inboundPort, outboundPort)
			s.init()
			s.sole(v.name)
			s.diff()
			client4, server4 := s.Client.IPv4.String(), s.Server.IPv4.String()
			s.check(all(inbound(redirected, 80).by(client4), inbound(bypassed, 4190).by(client4),
				outbound(redirected, 80).at(server4), outbound(bypassed, 4567).at(server4)))
		})
	}
}

// TestForeignTableThatIptablesCannotRead: iptables-nft prints that it is
// "incompatible" and ends as if all were well; that is an error, and nothing is
// changed. The nftables backend does not care.
func TestForeignTableThatIptablesCannotRead(t *testing.T) {
	t.Parallel()
	s := newSite(t, variants()[1])
	s.ns.Exec(t, "table ip nat { chain PREROUTING { type nat hook prerouting priority -100; ct state new counter; }; }", "nft", "-f", "-")
	before := s.ns.Exec(t, "", "nft", "list", "ruleset")
	c := s.command("init", false)
	c.run(t, s.ns).failed(t, 1, "only nft understands", "--backend nftables")
	if after := s.ns.Exec(t, "", "nft", "list", "ruleset"); after != before {
		t.Errorf("rules were changed:\n%s\nthey were:\n%s", after, before)
	}
	s.variant = variants()[0]
	s.run("init", false)
	s.run("diff", false)
}

// TestDriftIsFound changes rules by hand: diff says so to programs too, and the
// next run puts them right.
func TestDriftIsFound(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false)
			if v.name == "nftables" {
				s.ns.Exec(t, "", "nft", "delete element inet shunt skip-inbound-ports { 4190-4191 }")
			} else {
				s.ns.Exec(t, "", v.name, "-t", "nat", "-D", "OUTPUT", "-m", "comment", "--comment", "shunt/outbound", "-j", "PROXY_INIT_OUTPUT")
			}
			r := s.command("diff", false, "-o", "json").run(t, s.ns)
			var d struct {
				Equal   bool
				Changes []json.RawMessage
			}
			if err := json.Unmarshal([]byte(r.stdout), &d); err != nil || r.code != 1 || d.Equal || len(d.Changes) == 0 {
				t.Errorf("diff: exit status %d, %v: %s", r.code, err, r.stdout)
			}
			s.run("init", false)
			s.run("diff", false)
		})
	}
}

// TestProcIsHidden leaves the program without /proc: it cannot know in which
// namespace it is, and says so.
func TestProcIsHidden(t *testing.T) {
	t.Parallel()
	s := newSite(t, variants()[0])
	path := copyProgram(t)
	c := s.command("init", false)
	c.launch = &launch{Path: path, Mounts: []mount{{Kind: "empty", Target: "/proc"}}}
	c.run(t, s.ns).failed(t, 2, "/proc/thread-self/ns/net", "is /proc mounted?")
	live(t, s.ns).equals(t, snapshot{})
}

// copyProgram returns the path of a copy of the program under test, which
// every user may run.
func copyProgram(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(programPath(t))
	if err != nil {
		t.Fatal(err)
	}
	path := folder(t) + "/shunt"
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
