package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shunt/netns/netnstest"
)

// The two ports of traffic: in every configuration that it meets, one bypasses
// the proxy, by whatever rule, and the other is redirected, both ways.
const (
	alwaysSkipped    = 9001
	alwaysRedirected = 9002
)

// trafficFlows returns what the clients connect to. What bypasses the proxy has
// addresses of its own, so that a configuration can skip those, too.
func trafficFlows() flows {
	return all(
		inbound(bypassed, alwaysSkipped).by("10.9.0.1"), inbound(bypassed, alwaysSkipped).by("fd01:9::1"), inbound(redirected, alwaysRedirected),
		outbound(bypassed, alwaysSkipped).at("198.51.100.7"), outbound(bypassed, alwaysSkipped).at("2001:db8::7"), outbound(redirected, alwaysRedirected),
	)
}

// traffic is clients that connect without pause, in both directions and
// families, to both ports.
type traffic struct {
	made, wrong atomic.Int64
	slowest     atomic.Int64           // connection, in nanoseconds
	first       atomic.Pointer[string] // of what was wrong
	stop        context.CancelFunc
	running     sync.WaitGroup
}

// startTraffic starts clients on every core. They go on until they are stopped
// or the test ends.
func (s *stage) startTraffic() *traffic {
	return s.startTrafficOver(func(netip.Addr) bool { return true })
}

// startTrafficOver is startTraffic for some destinations only.
func (s *stage) startTrafficOver(some func(netip.Addr) bool) *traffic {
	s.Helper()
	netnstest.StartProxy(s, s.Pod, inboundPort, outboundPort)
	fs := trafficFlows()
	s.listen(fs)
	s.listen(all(inbound(bypassed, alwaysRedirected), outbound(bypassed, alwaysRedirected))) // to see what escapes
	ctx, stop := context.WithCancel(context.Background())
	tr := &traffic{stop: stop}
	for range 2 * runtime.NumCPU() {
		tr.running.Go(func() { tr.connect(ctx, s, fs, some) })
	}
	s.Cleanup(tr.end)
	return tr
}

// connect makes one connection after the other.
func (tr *traffic) connect(ctx context.Context, s *stage, fs flows, some func(netip.Addr) bool) {
	for ctx.Err() == nil {
		for _, f := range fs {
			for _, o := range s.dials(f) {
				if !some(o.To.Addr()) {
					continue
				}
				start := time.Now()
				got, want := s.observe(f, o), f.answer(o.To, true)
				tr.made.Add(1)
				tr.took(time.Since(start))
				if got != want {
					tr.wrong.Add(1)
					text := fmt.Sprintf("%v to %v: %q, want %q", f, o.To, got, want)
					tr.first.CompareAndSwap(nil, &text)
				}
			}
		}
	}
}

// took notes how long a connection took.
func (tr *traffic) took(d time.Duration) {
	for {
		slowest := tr.slowest.Load()
		if int64(d) <= slowest || tr.slowest.CompareAndSwap(slowest, int64(d)) {
			return
		}
	}
}

// end stops the clients.
func (tr *traffic) end() {
	tr.stop()
	tr.running.Wait()
}

// underWay waits until every client has connected, so that what comes next
// meets traffic.
func (tr *traffic) underWay(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); tr.made.Load() < 100; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the clients made %d connections in 20 s", tr.made.Load())
		}
	}
}

// noneWrong ends the traffic and fails the test if any of it was treated
// wrongly.
func (tr *traffic) noneWrong(t testing.TB) {
	t.Helper()
	tr.end()
	figures.line("%s: the slowest of %d connections took %v", t.Name(), tr.made.Load(), time.Duration(tr.slowest.Load()).Round(time.Millisecond))
	if n := tr.wrong.Load(); n > 0 {
		t.Errorf("%d of %d connections were treated wrongly, the first: %s", n, tr.made.Load(), *tr.first.Load())
	}
}
