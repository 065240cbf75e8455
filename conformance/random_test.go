package conformance

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"

	"shunt/netns/netnstest"
	"shunt/plan"
)

// seedOf returns the seed of this run's random tests: the one that was asked
// for, or a new one.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SHUNT_CONFORMANCE_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SHUNT_CONFORMANCE_SEED: %v", err)
	}
	return seed
}

// TestRandom applies random configurations, one after the other in one pod,
// and makes random connections: what becomes of each must be what plan.Decide
// says. Every backend gets the same ones.
func TestRandom(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	figures.line("the random configurations and connections have SHUNT_CONFORMANCE_SEED=%d", seed)
	configs, dials := pick(12, 400), 60
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			netnstest.IDs(t, somePeople()...)
			s := newStage(t, v, true)
			netnstest.StartProxy(s, s.Pod, inboundPort, outboundPort)
			s.listen(everyPort())
			r := rand.New(rand.NewPCG(seed, 0))
			for n := range configs {
				cfg := randomConfig(r)
				s.ipv6, s.flags = cfg.IPv6, cfg.flags
				s.init()
				p := plan.Build(cfg.Config)
				wrong := 0
				for range dials {
					f := randomFlow(r, s)
					if got, want := s.outcome(f), expected(p, f.Flow); got != want {
						t.Errorf("seed %d, configuration %d, %q: %v: %q, want %q", seed, n, s.args("init"), f, got, want)
						wrong++
					}
				}
				figures.add("random flows", dials)
				if wrong > 0 {
					t.Fatalf("%d of %d connections of configuration %d went wrong; SHUNT_CONFORMANCE_SEED=%d repeats them", wrong, dials, n, seed)
				}
			}
			figures.add("random configurations", configs)
		})
	}
}

// expected returns the answer to a connection that is decided as plan.Decide
// decides it.
func expected(p plan.Plan, f plan.Flow) string {
	d := p.Decide(f)
	switch {
	case d.Verdict.Kind == plan.Redirect:
		return "proxy " + f.Direction.String() + " " + f.Dst.String()
	case f.Dst.Port() == 0:
		return "refused"
	}
	return "app " + f.Dst.String()
}

// randomDial is a connection and what the nat hooks see of it.
type randomDial struct {
	plan.Flow
	from place
}

// outcome makes the connection.
func (s *stage) outcome(f randomDial) string {
	o := netnstest.DialOptions{UID: f.UID, GID: f.GID, From: f.Src, To: f.Dst, Timeout: dialLimit}
	return answerOr(netnstest.Dial(s.host(f.from), o))
}

// randomFlow returns a connection of any of the kinds that there are.
func randomFlow(r *rand.Rand, s *stage) randomDial {
	ipv6 := r.IntN(2)
	address := func(p place) netip.Addr { return s.addrs(p)[ipv6] }
	f := randomDial{Flow: plan.Flow{TCP: true, UID: oneOf(r, somePeople()), GID: oneOf(r, somePeople())}}
	var to netip.Addr
	switch r.IntN(9) {
	case 0, 1, 2: // from the client, to any of the pod's addresses
		f.from, f.DstLocal = client, true
		f.Src = randomAddr(r, s.Client.Owns, ipv6 == 1)
		to = oneOf(r, []netip.Addr{address(pod), otherPodAddr(ipv6)})
	case 3: // forwarded
		f.from, to = client, address(behind)
		f.Src = randomAddr(r, s.Client.Owns, ipv6 == 1)
	case 4: // forwarded, from within
		f.from, f.Src = behind, address(behind)
		to = randomAddr(r, s.Server.Owns, ipv6 == 1)
	case 5: // within the pod
		f.from, f.Direction, f.OutInterface = pod, plan.Outbound, plan.Loopback
		to = oneOf(r, []netip.Addr{address(pod), address(loopback), otherPodAddr(ipv6)})
	case 6: // out, to the client's side
		f.from, f.Direction, f.OutInterface = pod, plan.Outbound, "eth0"
		to = randomAddr(r, s.Client.Owns, ipv6 == 1)
	default: // out
		f.from, f.Direction, f.OutInterface = pod, plan.Outbound, "eth1"
		to = randomAddr(r, s.Server.Owns, ipv6 == 1)
	}
	f.Dst = netip.AddrPortFrom(to, oneOf(r, somePorts()))
	return f
}

// otherPodAddr is the pod's address on its link to the server.
func otherPodAddr(ipv6 int) netip.Addr {
	return netip.MustParseAddr([]string{"10.200.2.1", "fd00:200:2::1"}[ipv6])
}

// everyPort has an application at every place that a random connection can go
// to.
func everyPort() flows {
	return all(between(client, pod, bypassed, somePorts()...), between(client, behind, bypassed, somePorts()...),
		between(pod, server, bypassed, somePorts()...), between(pod, client, bypassed, somePorts()...))
}

func oneOf[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }
