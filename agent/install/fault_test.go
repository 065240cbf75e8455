package install

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// watching is an agent that watches, with what it reported.
type watching struct {
	*node
	stop func()

	mu      sync.Mutex
	reports []Report
}

// watch has an agent watch until the test ends.
func (n *node) watch(i *Installer) *watching {
	n.Helper()
	w := &watching{node: n}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		i.Watch(ctx, nil, func(r Report) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reports = append(w.reports, r)
		})
	}()
	w.stop = sync.OnceFunc(func() { cancel(); <-done })
	n.Cleanup(w.stop)
	return w
}

// last is the last report.
func (w *watching) last() Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reports) == 0 {
		return Report{}
	}
	return w.reports[len(w.reports)-1]
}

// any reports whether one of the reports is such.
func (w *watching) any(f func(Report) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.reports, f)
}

// writes counts changes of one kind.
func (w *watching) writes(a Action) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := 0
	for _, r := range w.reports {
		for _, c := range r.Changes {
			if c.Action == a {
				count++
			}
		}
	}
	return count
}

// eventually waits for something that has to become true; the limit only ends
// a test that fails.
func (n *node) eventually(what string, f func() bool) {
	n.Helper()
	for end := time.Now().Add(60 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			n.Fatalf("it never came about that %s; files: %s", what, n.files())
		}
	}
}

// chained reports whether the runtime would call the plugin, and finds it.
func (n *node) chained() bool {
	list, err := load(n.net)
	if err != nil {
		return false
	}
	last := list.Plugins[len(list.Plugins)-1].Network.Type
	return last == "shunt" && exists(filepath.Join(n.bin, last))
}

// rename puts a file in place as careful people do.
func (n *node) rename(name, text string) {
	n.Helper()
	temporary := filepath.Join(n.dir, "temporary-"+name)
	n.put(temporary, text)
	if err := os.Rename(temporary, n.path(name)); err != nil {
		n.Fatal(err)
	}
}

func TestFaultConflistHalfWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	n.put("20-other.conflist", `{"name":"other","plugins":[{"type":"ptp"}]}`)
	w := n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	n.put("10-calico.conflist", calico[:len(calico)/2])
	n.eventually("it is not ready", func() bool { return errors.Is(w.last().Err, ErrUnparsable) })
	n.put("10-calico.conflist", calico)
	n.eventually("it is chained again", n.chained)
	n.eventually("it is ready", func() bool { return w.last().ready() })
	if strings.Contains(n.get("20-other.conflist"), "shunt") {
		t.Error("another file was changed meanwhile")
	}
}

func TestFaultConflistTruncated(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	n.put("10-calico.conflist", "")
	n.put("10-calico.conflist", calico)
	n.eventually("it is chained again", n.chained)
}

func TestFaultConflistReplaced(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	w := n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	n.rename("10-calico.conflist", calico)
	n.eventually("it is chained again", n.chained)
	// Another network comes first by name: the runtime uses that from now on.
	n.rename("05-cilium.conflist", `{"cniVersion":"1.0.0","name":"cilium","plugins":[{"type":"cilium-cni"}]}`)
	n.eventually("it is chained there", n.chained)
	n.eventually("it is out of the old file", func() bool { return n.get("10-calico.conflist") == calico })
	n.eventually("it is ready", func() bool { r := w.last(); return r.ready() && r.Network == "cilium" })
}

func TestFaultConflistRenamedToConf(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-x.conflist", `{"name":"x","plugins":[{"type":"ptp"}]}`)
	n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	if err := os.Remove(n.path("10-x.conflist")); err != nil {
		t.Fatal(err)
	}
	n.rename("10-x.conf", `{"name":"x","type":"ptp"}`)
	n.eventually("it is chained again", n.chained)
	// And a whole list under the wrong name, which no runtime can read.
	n.rename("10-x.conf", n.get("10-x.conflist"))
	if err := os.Remove(n.path("10-x.conflist")); err != nil {
		t.Fatal(err)
	}
	n.rename("10-x.conflist", `{"name":"x","plugins":[{"type":"ptp"}]}`)
	if err := os.Remove(n.path("10-x.conf")); err != nil {
		t.Fatal(err)
	}
	n.eventually("it is chained once more", n.chained)
}

func TestFaultConflistWrittenAHundredTimesASecond(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes more than half a minute")
	}
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	w := n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		n.rename("10-calico.conflist", calico)
		if _, err := load(n.net); err != nil {
			t.Fatalf("the runtime: %v", err)
		}
	}
	if !w.any(func(r Report) bool { return r.Contended && !r.ready() }) {
		t.Error("nobody was told of the contention")
	}
	if links := w.writes(Chained); links > 20 {
		t.Errorf("it was written %d times in 30 s", links)
	}
	n.eventually("it is chained again", n.chained)
}

func TestFaultFolderAbsentRemovedAndMadeAgain(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Chain, Dropin} {
		n := newNode(t)
		if err := os.Remove(n.net); err != nil {
			t.Fatal(err)
		}
		w := n.watch(n.agent(mode))
		n.eventually("it waits", func() bool { return w.last().State == Waiting })
		for range 3 {
			if err := os.Mkdir(n.net, 0o755); err != nil {
				t.Fatal(err)
			}
			n.put("10-calico.conflist", calico)
			n.eventually("it is chained", n.chained)
			n.eventually("it is ready", func() bool { return w.last().ready() })
			if err := os.RemoveAll(n.net); err != nil {
				t.Fatal(err)
			}
			n.eventually("it waits again", func() bool { return w.last().State == Waiting })
		}
	}
}

func TestFaultTwoAgentsAtOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Chain, Dropin} {
		n := newNode(t)
		n.put("10-calico.conflist", calico)
		oldAgent := n.agent(mode)
		oldWatch := n.watch(oldAgent)
		n.eventually("the old one is ready", func() bool { return oldWatch.last().ready() })

		newPlugin := filepath.Join(n.dir, "new-plugin")
		n.put(newPlugin, "the new plugin")
		newAgent := n.agent(mode, func(c *Config) {
			c.Plugin = newPlugin
			c.Entry, _ = NewEntry([]byte(`{"type":"shunt","linkerd":{"proxy-uid":3000}}`), "", "")
		})
		newWatch := n.watch(newAgent)
		n.eventually("the new one is ready", func() bool { return newWatch.last().ready() })
		n.eventually("the old one knows", func() bool { return oldWatch.last().Newer })
		text := func() string { return n.get("10-calico.conflist") + n.get("k8s-pod-network/50-shunt.conf") }
		before := oldWatch.writes(Chained) + newWatch.writes(Chained)
		n.put("10-calico.conflist", strings.Replace(n.get("10-calico.conflist"), `"mtu": 0`, `"mtu": 1`, 1)) // wakes both
		seen := len(oldWatch.reports)
		n.eventually("the old one looked", func() bool { oldWatch.mu.Lock(); defer oldWatch.mu.Unlock(); return len(oldWatch.reports) > seen })
		if !strings.Contains(text(), "3000") || oldWatch.writes(Chained)+newWatch.writes(Chained) != before || n.get(filepath.Join(n.bin, "shunt")) != "the new plugin" {
			t.Errorf("they fight:\n%s", text())
		}
		if _, err := oldAgent.Uninstall(false, true); !errors.Is(err, ErrNewer) {
			t.Errorf("the old one's end: %v", err)
		}
		n.eventually("it is chained", n.chained)

		// Without the new one, the old one fills gaps.
		newWatch.stop()
		n.put("10-calico.conflist", calico)
		_ = os.RemoveAll(n.path("k8s-pod-network"))
		n.eventually("it is chained again", n.chained)
	}
}

func TestFaultBinaryDeletedOrAltered(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	w := n.watch(n.agent(Chain))
	n.eventually("it is chained", n.chained)
	path := filepath.Join(n.bin, "shunt")
	right := func() bool { return n.get(path) == "the plugin" }
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	n.eventually("it is there again", right)
	n.put(path, "a plugin.") // of the same length
	n.eventually("it is right again", right)
	n.eventually("it is ready", func() bool { return w.last().ready() })
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestFaultLinkerdsOwnInstallerWasThere(t *testing.T) {
	t.Parallel()
	const theirs = `{"name":"pods","plugins":[{"type":"ptp"},{"type":"linkerd-cni","kubernetes":{"kubeconfig":"/etc/cni/net.d/ZZZ-linkerd-cni-kubeconfig"}}]}`
	for _, mode := range []Mode{Chain, Dropin} {
		for _, name := range []string{"linkerd-cni", "shunt"} {
			n := newNode(t)
			n.put("10-x.conflist", theirs)
			n.put("ZZZ-linkerd-cni-kubeconfig", "token: revoked")
			n.put(filepath.Join(n.bin, "linkerd-cni"), "Linkerd's")
			a := n.agent(mode, func(c *Config) { c.Entry, _ = NewEntry([]byte(linkerdConfig), name, "") })
			if st, err := a.Sync(); err != nil || st.State != Linked {
				t.Errorf("%v, %v", st, err)
			}
			n.chain("ptp " + name)
			if strings.Contains(n.files(), "kubeconfig") || strings.Contains(n.get("10-x.conflist"), "kubeconfig") {
				t.Errorf("the kubeconfig stays: %s\n%s", n.files(), n.get("10-x.conflist"))
			}
			if n.get(filepath.Join(n.bin, name)) != "the plugin" {
				t.Error("Linkerd's binary is still there")
			}
			n.sync(a, Linked, "")
		}
	}
}

func TestFaultRuntimeThatPassesNoAnnotations(t *testing.T) {
	t.Parallel()
	for runtime, linked := range map[Runtime]bool{
		"docker://26.1.0": false, "containerd://1.4.13": false, "cri-o://1.28.9": false,
		"containerd://1.5.0": true, "containerd://1.6.20~ds1": true, "cri-o://1.29.0": true, "": true, "other://1": true,
	} {
		n := newNode(t)
		n.put("10-calico.conflist", calico)
		a := n.agent(Auto)
		a.SetRuntime(runtime)
		if !linked {
			if st := n.sync(a, Refused, ""); !strings.Contains(st.Why, "passes no pod annotations") {
				t.Errorf("%s: %s", runtime, st.Why)
			}
			n.chain("calico portmap")
			forced := n.agent(Auto, func(c *Config) { c.Force = true })
			forced.SetRuntime(runtime)
			n.sync(forced, Linked, "copied first, chained first")
			continue
		}
		n.sync(a, Linked, "copied first, chained first")
		n.chain("calico portmap shunt")
		// What is known later counts, too.
		a.SetRuntime("docker://26.1.0")
		n.sync(a, Refused, "unchained unsafe")
		if n.get("10-calico.conflist") != calico {
			t.Error("the entry stays")
		}
	}
	n := newNode(t)
	n.put("00-multus.conf", `{"name":"multus","type":"multus-shim"}`)
	n.sync(n.agent(Auto), Refused, "")
}

// Where plugins can ask an agent, such a runtime is good enough.
func TestARuntimeThatPassesNoAnnotationsWithAnAgentThatGivesFacts(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("00-multus.conflist", `{"cniVersion":"1.0.0","name":"multus","plugins":[{"type":"multus-shim"}]}`)
	first := n.agent(Auto)
	first.SetFacts(FactsLater)
	if st := n.sync(first, Waiting, ""); !strings.Contains(st.Why, "which passes no pod annotations") {
		t.Errorf("before the pods are known: %s", st.Why)
	}
	first.SetFacts(FactsServed)
	n.sync(first, Linked, "copied first, chained first")
	next := n.agent(Auto) // as an upgrade, or a crash
	next.SetFacts(FactsLater)
	n.sync(next, Linked, "")
	next.SetFacts(FactsNone)
	n.sync(next, Refused, "unchained unsafe")
}
