package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

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

// TestOrphanOfAKilledRun kills a run whose restore, behind a shell wrapper, has
// its rules and takes its time: it commits them when nobody expects it any more.
// The next run waits for it, and its own rules are those that are live.
func TestOrphanOfAKilledRun(t *testing.T) {
	t.Parallel()
	for _, v := range iptablesVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false, "--skip-ports", "9000")
			dir := folder(t)
			name := v.name + "-restore"
			fake(t, dir, name, `cd `+dir+` # standard input is kept for the background, as 9
exec 9<&0; { touch began; until test -e go; do sleep 0.02; done; `+netnstest.Tool(t, name)+` "$@"; touch ended; } <&9 &
wait`)
			exists := func(file string) bool { _, err := os.Stat(filepath.Join(dir, file)); return err == nil }

			killed := s.command("init", false, "--skip-ports", "9001")
			killed.env = []string{pathWith(dir)}
			cmd := killed.prepare(t.Context(), t)
			err := s.ns.Do(func() error {
				if err := cmd.Start(); err != nil {
					return err
				}
				for range 3000 {
					if exists("began") {
						break
					}
					time.Sleep(10 * time.Millisecond)
				}
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				return nil
			})
			if err != nil || !exists("began") {
				t.Fatal("the restore did not begin", err)
			}

			next := s.command("init", false, "--skip-ports", "9002", "--lock-timeout", "60s")
			ended := make(chan result, 1)
			go func() { defer close(ended); ended <- next.run(t, s.ns) }()
			var r result
			select {
			case r = <-ended:
				t.Error("the next run did not wait for the orphan")
				fake(t, dir, "go", "")
			case <-time.After(500 * time.Millisecond): // it could be wrong, and had its chance
				fake(t, dir, "go", "")
				r = <-ended
			}
			r.succeeded(t, next)
			for range 3000 {
				if exists("ended") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			diff := s.command("diff", false, "--skip-ports", "9002")
			diff.run(t, s.ns).succeeded(t, diff)
		})
	}
}
