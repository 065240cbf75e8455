package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// iptablesVariants returns the variants that run commands.
func iptablesVariants() []variant { return variants()[1:] }

// newSite returns a namespace without rules.
func newSite(t testing.TB, v variant) *site {
	t.Helper()
	v.need(t)
	return &site{t, v, netnstest.New(t)}
}

// folder returns a new folder that every user can look into.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fake writes a command, a shell script, into a folder.
func fake(t testing.TB, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// pathWith is PATH with a folder before everything else.
func pathWith(dir string) string { return "PATH=" + dir + ":" + os.Getenv("PATH") }

// TestSecondFamilyFails lets the commit of IPv6 fail, in two ways, after that of
// IPv4 was made: IPv4 gets back what it had.
func TestSecondFamilyFails(t *testing.T) {
	t.Parallel()
	for _, v := range iptablesVariants() {
		for _, before := range [][]string{nil, {"--skip-ports", "9000"}} {
			name := v.name + " fresh"
			if before != nil {
				name = v.name + " changed"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, v)
				if before != nil {
					s.run("init", false, before...)
				}
				old := live(t, s.ns)
				c := s.command("init", false, "--skip-ports", "9001-9010")

				dir := folder(t)
				fake(t, dir, "ip6"+strings.TrimPrefix(v.name, "ip")+"-restore", "echo 'out of luck' >&2; exit 1")
				c.env = []string{pathWith(dir)}
				c.run(t, s.ns).failed(t, 1, "out of luck", "old ip rules were put back")
				live(t, s.ns).equals(t, old)

				if v.name == "iptables-legacy" { // the kernel refuses it
					c.env, c.launch = nil, &launch{Deny: []denial{noReplace(unix.SOL_IPV6)}}
					c.run(t, s.ns).failed(t, 1, "apply ip6 nat", "old ip rules were put back")
					live(t, s.ns).equals(t, old)
				}
				c.env, c.launch = nil, nil
				c.run(t, s.ns).succeeded(t, c)
			})
		}
	}
}

// TestCommandDisappears removes the commands that commit in the middle of a run:
// the last command that reads does it.
func TestCommandDisappears(t *testing.T) {
	t.Parallel()
	for _, v := range iptablesVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false, "--skip-ports", "9000")
			old := live(t, s.ns)
			dir, hidden := withCommands(t, v)
			last := "ip6" + strings.TrimPrefix(v.name, "ip") + "-save"
			multi := "xtables-" + strings.TrimPrefix(v.name, "iptables-") + "-multi"
			if err := os.Remove(filepath.Join(dir, last)); err != nil {
				t.Fatal(err)
			}
			fake(t, dir, last, "/bin/rm "+dir+"/*-restore; exec "+dir+"/real/"+multi+" ip6tables-save \"$@\"")
			c := s.command("init", false, "--skip-ports", "9001")
			c.env, c.launch = []string{pathWith(dir)}, hidden
			c.run(t, s.ns).failed(t, 2, "find "+v.name+"-restore", "install the iptables package")
			live(t, s.ns).equals(t, old)
		})
	}
}

// TestNoCommands runs where there is no iptables at all.
func TestNoCommands(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			c := s.command("init", false)
			c.env, c.launch = []string{"PATH=/nowhere"}, &launch{Mounts: []mount{{Kind: "empty", Target: "/usr/sbin"}}}
			r := c.run(t, s.ns)
			if v.name == "nftables" {
				r.succeeded(t, c)
				return
			}
			r.failed(t, 2, "find "+v.name+"-", "install the iptables package", "--backend nftables")
			live(t, s.ns).equals(t, snapshot{})
		})
	}
}

// TestLinkerdsIptablesModeWithoutItsCommands: Linkerd's program falls back to
// what there is, so that its configuration works on nodes without the binaries
// that it names. What is asked for by shunt's own names is never replaced.
func TestLinkerdsIptablesModeWithoutItsCommands(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"legacy", "plain"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, variants()[0])
			run := func(name string, args ...string) result {
				return command{name: name, args: append(args, "--iptables-mode", mode, "--log-format", "json"), env: []string{"PATH=/nowhere"},
					launch: &launch{Mounts: []mount{{Kind: "empty", Target: "/usr/sbin"}}}}.run(t, s.ns)
			}
			asked := map[string]string{"legacy": "iptables-legacy", "plain": "iptables"}[mode]
			run("shunt", "init").failed(t, 2, "find "+asked+"-", "install the iptables package")
			linkerd := []string{"-p", "4143", "-o", "4140", "-u", "2102"}
			run("proxy-init", append(linkerd, "--backend", "iptables")...).failed(t, 2, "find "+asked+"-")
			live(t, s.ns).equals(t, snapshot{})

			r := run("proxy-init", linkerd...)
			if rep := r.report(t); r.code != 0 || rep.Backend != "nftables" || !strings.Contains(r.stdout, asked+" was asked for and cannot be used here") {
				t.Errorf("exit status %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// TestLegacyRulesWithoutCommand has rules in legacy iptables, and no command
// to see or remove them with: that must not pass for "nothing there".
func TestLegacyRulesWithoutCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t, variants()[2])
	s.run("init", false)
	s.variant = variants()[0]
	c := s.command("init", false)
	c.env, c.launch = []string{"PATH=/nowhere"}, &launch{Mounts: []mount{{Kind: "empty", Target: "/usr/sbin"}}}
	c.run(t, s.ns).failed(t, 1, "the rules are live on nftables", "legacy", "iptables-legacy-save", "install the iptables package")
	c.env, c.launch = nil, nil
	c.run(t, s.ns).succeeded(t, c)
	if l := live(t, s.ns); len(l) != 1 || l["nftables inet shunt"] == "" {
		t.Errorf("live is:\n%v", l)
	}
}

// withCommands returns a folder with links to a variant's commands, and what
// hides all others.
func withCommands(t testing.TB, v variant) (dir string, hidden *launch) {
	t.Helper()
	dir = folder(t)
	multi := "xtables-" + strings.TrimPrefix(v.name, "iptables-") + "-multi"
	sbin := filepath.Dir(netnstest.Tool(t, multi))
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, ip := range []string{"ip", "ip6"} {
		for _, verb := range []string{"save", "restore"} {
			name := ip + strings.TrimPrefix(v.name, "ip") + "-" + verb
			if err := os.Symlink(filepath.Join(dir, "real", multi), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir, &launch{Mounts: []mount{
		{Kind: "bind", Source: sbin, Target: filepath.Join(dir, "real")},
		{Kind: "empty", Target: sbin},
	}}
}

// TestXtablesLockHeld has somebody hold the lock of legacy iptables: the error
// comes within the time that was allowed. The variant over nf_tables has no
// lock and does not care.
func TestXtablesLockHeld(t *testing.T) {
	t.Parallel()
	for _, v := range iptablesVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false, "--skip-ports", "9000")
			old := live(t, s.ns)
			// Not the machine's own lock: other tests run at the same time.
			lock, err := os.Create(filepath.Join(folder(t), "xtables.lock"))
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Close()
			if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			c := s.command("init", false, "--skip-ports", "9001", "--lock-timeout", "1s")
			c.env = []string{"XTABLES_LOCKFILE=" + lock.Name()}
			start := time.Now()
			r := c.run(t, s.ns)
			if v.name == "iptables-nft" {
				r.succeeded(t, c)
				return
			}
			r.failed(t, 1, "xtables lock", "--lock-timeout")
			if took := time.Since(start); took < time.Second || took > 10*time.Second {
				t.Errorf("the error came after %v, 1 s was allowed", took)
			}
			live(t, s.ns).equals(t, old)
		})
	}
}

// TestTooManyRulesForIptables has a tenant ask for more uids than iptables takes
// rules: the request is rejected, and nothing is touched.
func TestTooManyRulesForIptables(t *testing.T) {
	t.Parallel()
	uids := make([]string, 5001)
	for i := range uids {
		uids[i] = strconv.Itoa(2 * i)
	}
	for _, v := range iptablesVariants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			s.run("init", false)
			old := live(t, s.ns)
			s.command("init", false, "--skip-outbound-uids", strings.Join(uids, ",")).run(t, s.ns).
				failed(t, 2, "chain PROXY_INIT_OUTPUT", "at most 5000 are allowed", "--backend nftables")
			live(t, s.ns).equals(t, old)
		})
	}
}

// TestNamespaceLockHeld has somebody else hold the namespace's lock: nftables,
// where the kernel refuses what another run overtakes, goes on without it, and
// iptables says who holds it.
func TestNamespaceLockHeld(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			lock, err := s.ns.Lock(t.Context(), nil, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			defer lock.Unlock()
			c := s.command("init", false, "--lock-timeout", "300ms")
			start := time.Now()
			r := c.run(t, s.ns)
			holder := fmt.Sprintf("process %d", os.Getpid())
			if v.name == "nftables" {
				r.succeeded(t, c)
				if !strings.Contains(r.stderr, holder) {
					t.Errorf("the log does not name %s:\n%s", holder, r.stderr)
				}
			} else {
				r.failed(t, 1, holder, "another process holds the lock", "--lock-timeout")
				live(t, s.ns).equals(t, snapshot{})
			}
			if took := time.Since(start); took < 300*time.Millisecond {
				t.Errorf("it went on after %v, 300 ms were to be waited", took)
			}
			time.AfterFunc(300*time.Millisecond, lock.Unlock)
			c = s.command("init", false)
			c.run(t, s.ns).succeeded(t, c)
		})
	}
}
