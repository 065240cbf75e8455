package conformance

import (
	"fmt"
	"sync"
	"testing"

	"shunt/netns/netnstest"
)

// TestRunsAtOnce starts 8 runs at the same time in one namespace: all succeed,
// and in the end one configuration is live, whole.
func TestRunsAtOnce(t *testing.T) {
	t.Parallel()
	const runs = 8
	equal := func(int) []string { return []string{"--skip-ports", "9000"} }
	different := func(n int) []string {
		return []string{"--skip-ports", fmt.Sprintf("9000-%d", 9000+n), "--skip-subnets", fmt.Sprintf("10.%d.0.0/16,fd01:%d::/32", n, n)}
	}
	for _, c := range []struct {
		name  string
		on    func(n int) variant
		flags func(n int) []string
	}{
		{"nftables, equal", func(int) variant { return variants()[0] }, equal},
		{"nftables, different", func(int) variant { return variants()[0] }, different},
		{"iptables-nft, equal", func(int) variant { return variants()[1] }, equal},
		{"iptables-nft, different", func(int) variant { return variants()[1] }, different},
		{"iptables-legacy, equal", func(int) variant { return variants()[2] }, equal},
		{"iptables-legacy, different", func(int) variant { return variants()[2] }, different},
		{"every backend, different", func(n int) variant { return variants()[n%3] }, different},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for range pick(1, 10) {
				s := newSite(t, c.on(2))
				var at sync.WaitGroup
				var commands [runs]command
				var results [runs]result
				for n := range runs {
					commands[n] = command{args: append(append([]string{"init", "--lock-timeout", "60s"}, c.on(n).flags...), c.flags(n)...)}
					at.Go(func() { results[n] = commands[n].run(t, s.ns) })
				}
				at.Wait()
				whole := 0
				for n, r := range results {
					r.succeeded(t, commands[n])
					diff := command{args: append(append([]string{"diff"}, c.on(n).flags...), c.flags(n)...)}
					if r := diff.run(t, s.ns); r.code == 0 {
						whole++
					}
				}
				want := 1
				if fmt.Sprint(c.flags(0)) == fmt.Sprint(c.flags(1)) {
					want = runs
				}
				if whole != want {
					t.Errorf("%d of the %d configurations are live, want %d:\n%v", whole, runs, want, live(t, s.ns))
				}
				figures.add("runs at once in one namespace", runs)
			}
		})
	}
}

// TestNamespacesAtOnce starts a run in each of 64 namespaces at the same time.
func TestNamespacesAtOnce(t *testing.T) {
	t.Parallel()
	const namespaces = 64
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			v.need(t)
			var at sync.WaitGroup
			for n := range namespaces {
				s := &site{t, v, netnstest.New(t)}
				at.Go(func() {
					flags := []string{"--skip-ports", fmt.Sprintf("9000-%d", 9000+n), "--lock-timeout", "60s"}
					for _, verb := range []string{"init", "diff"} {
						c := s.command(verb, false, flags...)
						if r := c.run(t, s.ns); r.code != 0 {
							t.Errorf("%s: exit status %d\n%s%s", c, r.code, r.stdout, r.stderr)
						}
					}
				})
			}
			at.Wait()
			figures.add("runs in namespaces of their own at once", namespaces)
		})
	}
}
