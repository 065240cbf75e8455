package redirect

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/netns/netnstest"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// rules returns the rules of the standard configuration in a namespace, with a
// log, and with a folder of locks that is the test's.
func rules(t *testing.T, ns *netnstest.NS, change ...func(*config.Config)) (*Rules, *bytes.Buffer) {
	t.Helper()
	cfg := config.Standard()
	for _, f := range change {
		f(&cfg)
	}
	var log bytes.Buffer
	return Open(ns.NS, cfg, Options{
		Version: "v0.0.0-test", Log: slog.New(slog.NewTextHandler(&log, nil)), Thorough: true,
		Locks: filepath.Join(t.TempDir(), "locks"), MakeLocks: true,
	}), &log
}

func backend(name, mode string) func(*config.Config) {
	return func(c *config.Config) { c.Backend, c.IptablesMode = name, mode }
}

// impatient makes a run give up its wait for the lock soon.
func impatient(c *config.Config) { c.LockTimeout = 20 * time.Millisecond }

// variants are the ways to hold rules that this machine has.
func variants(t *testing.T) map[apply.ID]func(*config.Config) {
	all := map[apply.ID]func(*config.Config){apply.NFTables: backend(config.BackendNftables, config.ModeAuto)}
	if !netnstest.HasIDs(config.StandardProxyUID) {
		t.Log("iptables is left out: its owner match refuses users that the user namespace does not have")
		return all
	}
	for id, mode := range map[apply.ID]string{apply.IPTablesNFT: config.ModeNft, apply.IPTablesLegacy: config.ModeLegacy} {
		if _, err := iptables.FindCommand("iptables-" + mode); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Logf("%s is left out: %v", id, err)
			continue
		}
		all[id] = backend(config.BackendIptables, mode)
	}
	return all
}

func TestTheLifeOfRules(t *testing.T) {
	t.Parallel()
	for id, chosen := range variants(t) {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			r, log := rules(t, netnstest.New(t), chosen)
			c, err := r.Compare(ctx)
			if err != nil || c.Equal() {
				t.Fatalf("in a fresh namespace: equal %v, %v", c.Equal(), err)
			}
			if commits, cleared, err := r.Clear(ctx); err != nil || commits != 0 || cleared != nil {
				t.Fatalf("clear where there is nothing: %d commits, %v, %v", commits, cleared, err)
			}
			res, err := r.Apply(ctx)
			if err != nil || !res.Changed || res.Backend != id || res.Commits == 0 {
				t.Fatalf("apply: %+v, %v\n%s", res, err, log)
			}
			if c, err = r.Compare(ctx); err != nil || !c.Equal() || c.Backend != id {
				t.Fatalf("after apply: equal %v, %s, %v", c.Equal(), c.Text(), err)
			}
			if res, err = r.Apply(ctx); err != nil || res.Changed || res.Commits != 0 {
				t.Fatalf("apply again: %+v, %v", res, err)
			}
			live, err := r.Live(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range live.Held {
				if h.State.Empty() != (h.Owner != id) || h.AsWritten != (h.Owner == id) {
					t.Errorf("live: %s holds %+v", h.Owner, h.State)
				}
			}
			commits, cleared, err := r.Clear(ctx)
			if err != nil || commits == 0 || !slices.Equal(cleared, []apply.ID{id}) {
				t.Fatalf("clear: %d commits, %v, %v", commits, cleared, err)
			}
			if c, err = r.Compare(ctx); err != nil || c.Equal() || !c.Live.Empty() || c.Others != nil {
				t.Errorf("after clear: %s, %v", c.Text(), err)
			}
		})
	}
}

// hold takes the lock that the rules' writers want, and releases it when the
// test ends.
func hold(t *testing.T, r *Rules) {
	t.Helper()
	locks, err := netns.OpenLocks(r.opt.Locks, true)
	if err != nil {
		t.Fatal(err)
	}
	defer locks.Close()
	lock, err := r.ns.Lock(t.Context(), locks, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lock.Unlock)
}

// An unprivileged process that held flock on the namespace's file made every ADD
// fail, and a diff as well.
func TestWhoHoldsTheLockHoldsUpIptablesOnly(t *testing.T) {
	t.Parallel()
	for id, chosen := range variants(t) {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			r, log := rules(t, netnstest.New(t), chosen, impatient)
			hold(t, r)
			_, err := r.Apply(t.Context())
			if id == apply.NFTables {
				if err != nil || !strings.Contains(log.String(), "going on without the lock") || !strings.Contains(log.String(), "process ") {
					t.Fatalf("error %v, log\n%s", err, log)
				}
			} else if !errors.Is(err, netns.ErrLocked) || !IsUntouched(err) || !strings.Contains(err.Error(), "process ") {
				t.Fatalf("error %v, want one that names the holder", err)
			}
			log.Reset()
			c, err := r.Compare(t.Context())
			if err != nil || c.Equal() != (id == apply.NFTables) {
				t.Errorf("compare: equal %v, %v", c.Equal(), err)
			}
			if _, err := r.Live(t.Context()); err != nil {
				t.Errorf("live: %v", err)
			}
			if log.String() != "" {
				t.Errorf("readers took the lock, it seems:\n%s", log)
			}
			commits, _, err := r.Clear(t.Context())
			if err != nil || (commits > 0) != (id == apply.NFTables) {
				t.Errorf("clear: %d commits, %v", commits, err)
			}
		})
	}
}

// Legacy rules beside new ones need iptables, and so the lock, to be removed.
func TestLegacyLeftoversWaitForTheLock(t *testing.T) {
	t.Parallel()
	legacy, ok := variants(t)[apply.IPTablesLegacy]
	if !ok {
		netnstest.Skip(t, "needs iptables-legacy and the proxy's user")
	}
	ns := netnstest.New(t)
	old, _ := rules(t, ns, legacy)
	if _, err := old.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, log := rules(t, ns, backend(config.BackendNftables, config.ModeAuto), impatient)
	r.opt.Locks = old.opt.Locks
	hold(t, r)
	res, err := r.Apply(t.Context())
	if !errors.Is(err, netns.ErrLocked) || IsUntouched(err) || res.Commits == 0 {
		t.Fatalf("%+v, error %v: want the new rules, and an error about the old ones\n%s", res, err, log)
	}
	if _, _, err := r.Clear(t.Context()); !errors.Is(err, netns.ErrLocked) {
		t.Errorf("clear: %v", err)
	}
}

// The wait for the lock leaves time for the work: the plugin's timeout may be
// shorter than lock-timeout.
func TestTheWaitForTheLockLeavesTimeForTheWork(t *testing.T) {
	t.Parallel()
	r, log := rules(t, netnstest.New(t), backend(config.BackendNftables, config.ModeAuto), func(c *config.Config) { c.LockTimeout = time.Hour })
	hold(t, r)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := r.Apply(ctx); err != nil || ctx.Err() != nil || !strings.Contains(log.String(), "going on without the lock") {
		t.Errorf("error %v, log\n%s", err, log)
	}
}

// In a container there is no folder of locks, and a container makes none.
func TestWithoutAFolderTheNamespacesOwnFileIsTheLock(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	r, log := rules(t, ns, backend(config.BackendNftables, config.ModeAuto), impatient)
	r.opt.MakeLocks = false
	lock, err := ns.Lock(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if _, err := r.Apply(t.Context()); err != nil || !strings.Contains(log.String(), "going on without the lock") {
		t.Errorf("error %v, log\n%s", err, log)
	}
	if _, err := os.Stat(r.opt.Locks); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// Init with an unset variable for a namespace, on a node, redirected the node.
func TestTheHostsNamespaceIsRefused(t *testing.T) {
	t.Parallel()
	current, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer current.Close()
	if err := refuseHost(current); err == nil {
		t.Skipf("%s is not the host's, or it cannot be told: nothing to refuse", current)
	}
	dropped := make(chan struct{})
	go func() {
		defer close(dropped)
		runtime.LockOSThread() // which ends with it, and with it what was dropped
		dropCaps(t)            // if nothing refuses, the kernel does
		r, _ := rules(t, &netnstest.NS{NS: current}, backend(config.BackendNftables, config.ModeAuto))
		_, err := r.Apply(t.Context())
		if !errors.Is(err, ErrHost) || !IsUntouched(err) {
			t.Errorf("apply: %v", err)
		}
		if _, _, err := r.Clear(t.Context()); !errors.Is(err, ErrHost) || !IsUntouched(err) {
			t.Errorf("clear: %v", err)
		}
		r.opt.HostNetwork = true
		if _, err := r.Apply(t.Context()); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("apply, where the host is meant, without capabilities: %v", err)
		}
	}()
	<-dropped
	fresh, _ := rules(t, netnstest.New(t))
	if err := refuseHost(fresh.ns); err != nil {
		t.Errorf("a fresh namespace: %v", err)
	}
}

// dropCaps takes every capability from the calling thread and from the children
// that it will have, for good.
func dropCaps(t *testing.T) {
	for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_READ, c, 0, 0, 0) == nil; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			t.Errorf("capability %d: %v", c, err)
			runtime.Goexit()
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		t.Errorf("capset: %v", err)
		runtime.Goexit()
	}
}
