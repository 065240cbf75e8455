package conformance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// variant is one way in which the kernel holds rules.
type variant struct {
	name  string
	flags []string
}

// variants returns the ways that there are.
func variants() []variant {
	return []variant{
		{"nftables", []string{"--backend", "nftables"}},
		{"iptables-nft", []string{"--backend", "iptables", "--iptables-mode", "nft"}},
		{"iptables-legacy", []string{"--backend", "iptables", "--iptables-mode", "legacy"}},
	}
}

// need skips the test unless the variant works here: its commands are there,
// and the user namespace has the proxy's user, without which xt_owner refuses
// the rules.
func (v variant) need(t testing.TB) {
	t.Helper()
	if v.name == "iptables-nft" || v.name == "iptables-legacy" {
		netnstest.Tool(t, v.name)
		netnstest.Tool(t, "ip6"+strings.TrimPrefix(v.name, "ip"))
		netnstest.IDs(t, proxyUID)
	}
}

// The proxy's standard ports and user.
const (
	inboundPort  = 4143
	outboundPort = 4140
	proxyUID     = 2102
)

// stage is a pod with its proxy, and whom it talks to.
type stage struct {
	*netnstest.Topology
	testing.TB
	variant
	ipv6  bool
	flags []string // of the configuration

	apps map[app]bool
}

// app is an application that listens.
type app struct {
	at   place
	port uint16
	udp  bool
}

// newStage makes a pod in which no rule is.
func newStage(t testing.TB, v variant, ipv6 bool, flags ...string) *stage {
	t.Helper()
	v.need(t)
	return &stage{
		Topology: netnstest.NewTopology(t), TB: t,
		variant: v, ipv6: ipv6, flags: flags, apps: map[app]bool{},
	}
}

// args returns the arguments of a verb for this stage: its backend, its
// families, its configuration, and more.
func (s *stage) args(verb string, more ...string) []string {
	args := append([]string{verb, "--log-format", "json"}, s.variant.flags...)
	args = append(args, fmt.Sprintf("--ipv6=%t", s.ipv6))
	return append(append(args, s.flags...), more...)
}

// init runs `shunt init` in the pod, and returns what it reports.
func (s *stage) init(more ...string) report {
	s.Helper()
	c := command{args: s.args("init", more...)}
	return c.run(s, s.Pod).succeeded(s, c).report(s)
}

// diff fails the test unless `shunt diff` finds no difference.
func (s *stage) diff(more ...string) {
	s.Helper()
	c := command{args: s.args("diff", more...)}
	if r := c.run(s, s.Pod); r.code != 0 || r.stdout != "" {
		s.Errorf("%s: exit status %d\n%s%s", c, r.code, r.stdout, r.stderr)
	}
}

// clear runs `shunt clear` in the pod.
func (s *stage) clear() {
	s.Helper()
	c := command{args: []string{"clear"}}
	c.run(s, s.Pod).succeeded(s, c)
}

// host returns a place's namespace.
func (s *stage) host(p place) *netnstest.NS {
	switch p {
	case client:
		return s.Client
	case server:
		return s.Server
	case behind:
		return s.Behind
	}
	return s.Pod
}

// addrs returns a place's address of each family.
func (s *stage) addrs(p place) []netip.Addr {
	if p == loopback {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	ns := s.host(p)
	return []netip.Addr{ns.IPv4, ns.IPv6}
}

// listen starts what the flows need: an application wherever one goes.
func (s *stage) listen(fs flows) {
	s.Helper()
	for _, f := range fs {
		a := app{f.to, f.port, f.udp}
		if a.at == loopback {
			a.at = pod
		}
		if s.apps[a] || f.port == 0 || f.want == toProxy || f.want == refused {
			continue
		}
		s.apps[a] = true
		ns := s.host(a.at)
		if a.udp {
			startUDP(s, ns, a.port)
			continue
		}
		netnstest.StartApp(s, ns, netip.AddrPortFrom(netip.IPv6Unspecified(), a.port))
	}
}

// check makes every flow's connections, in both families, and fails the test
// for those that do not go where they should.
func (s *stage) check(fs flows) {
	s.Helper()
	needIDs(s, fs)
	s.listen(fs)
	for _, f := range fs {
		for _, o := range s.dials(f) {
			figures.add("flows", 1)
			ipv6 := o.To.Addr().Is6()
			want := f.answer(o.To, s.ipv6 || !ipv6)
			if got := s.observe(f, o); got != want {
				s.Errorf("%v to %v: %q, want %q", f, o.To, got, want)
			}
		}
	}
}

// dials returns a flow's connections: one in each family, unless an address
// decides the family.
func (s *stage) dials(f flow) []netnstest.DialOptions {
	dst := s.addrs(f.to)
	if f.dst.IsValid() {
		dst = []netip.Addr{f.dst}
	}
	var all []netnstest.DialOptions
	for _, to := range dst {
		if f.src.IsValid() && f.src.Is4() != to.Is4() {
			continue
		}
		all = append(all, netnstest.DialOptions{
			UID: f.uid, GID: f.gid, From: f.src, To: netip.AddrPortFrom(to, f.port), Timeout: dialLimit,
		})
	}
	return all
}

// dialLimit is how long a connection may take: usually it is microseconds. A
// machine that does something else meanwhile must not fail a test.
const dialLimit = time.Minute

// observe makes one connection and returns the answer.
func (s *stage) observe(f flow, o netnstest.DialOptions) string {
	dial := netnstest.Dial
	if f.udp {
		dial = dialUDP
	}
	answer, err := dial(s.host(f.from), o)
	return answerOr(answer, err)
}

// tool runs a command in the pod, and returns what it printed.
func (s *stage) tool(name string, args ...string) string {
	s.Helper()
	return s.Pod.Exec(s, "", name, args...)
}

// script runs shell lines in the pod.
func (s *stage) script(lines ...string) {
	s.Helper()
	s.Pod.Exec(s, "PATH=$PATH:/usr/sbin:/sbin\n"+strings.Join(lines, "\n"), "sh", "-e")
}

// sole fails the test unless the rules of one backend, and of no other, are in
// the pod. It asks the tools, not shunt.
func (s *stage) sole(backend string) {
	s.Helper()
	for name, there := range s.holders() {
		if there != (name == backend) {
			s.Errorf("rules in %s: %v, want them in %q alone", name, there, backend)
		}
	}
}

// holders says which backends have rules of shunt's or Linkerd's in the pod.
func (s *stage) holders() map[string]bool {
	s.Helper()
	rules := s.tool("nft", "list", "ruleset")
	holders := map[string]bool{
		"nftables":        strings.Contains(rules, " shunt {") || strings.Contains(rules, " shunt-spare {"),
		"iptables-nft":    strings.Contains(rules, "PROXY_INIT"),
		"iptables-legacy": false,
	}
	for _, ip := range []string{"ip", "ip6"} {
		// Saying which tables there are does not make one; listing rules does.
		names := s.tool("cat", "/proc/thread-self/net/"+ip+"_tables_names")
		if strings.Contains(names, "nat") {
			saved := s.tool(ip+"tables-legacy-save", "-t", "nat")
			holders["iptables-legacy"] = holders["iptables-legacy"] || strings.Contains(saved, "PROXY_INIT")
		}
	}
	return holders
}

// needIDs skips the test unless sockets can belong to all users and groups of
// the flows.
func needIDs(t testing.TB, fs flows) {
	t.Helper()
	for _, f := range fs {
		netnstest.IDs(t, f.uid, f.gid)
	}
}

// answerOr returns a connection's answer, or in a word why there is none.
func answerOr(answer string, err error) string {
	switch {
	case err == nil:
		return answer
	case isErrno(err, unix.ECONNREFUSED):
		return "refused"
	}
	return fmt.Sprintf("error: %v", err)
}
