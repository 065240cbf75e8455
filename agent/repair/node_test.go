package repair

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"shunt/apply"
	"shunt/cni"
	"shunt/config"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/pods"
	"shunt/redirect"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

const installed = `{"type":"shunt","linkerd":{"inbound-ports-to-ignore":["4190","4191"]}}`

// node is a node whose namespaces and API server are a test's.
type node struct {
	testing.TB
	*Repairer
	folder string
	reg    *prometheus.Registry

	mu      sync.Mutex
	api     map[string]Pod // by uid
	away    error          // what the API server answers
	onTell  func(Note)
	onEvict func(pods.ID) error
	told    []string
}

func newNode(t testing.TB, change ...func(*Config)) *node {
	t.Helper()
	n := &node{TB: t, folder: t.TempDir(), reg: prometheus.NewRegistry(), api: map[string]Pod{}}
	policy, err := cni.ParsePolicy([]byte(installed))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Policy: policy, Mode: InPlace, Locator: &Locator{Folder: n.folder}, Cluster: n, Version: "v-test", Locks: filepath.Join(t.TempDir(), "locks"),
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})), Metrics: n.reg,
		NoNftables: func(error) { n.note("node NoNftables") },
		retries:    []time.Duration{time.Millisecond, 2 * time.Millisecond},
	}
	for _, f := range change {
		f(&cfg)
	}
	if n.Repairer, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	running.Go(func() { n.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return n
}

// mount puts a namespace's file into the folder of the runtime.
func (n *node) mount(name string, ns *netnstest.NS) {
	n.Helper()
	if err := os.Symlink(ns.Path, filepath.Join(n.folder, name)); err != nil {
		n.Fatal(err)
	}
}

// meshed is a pod of the node that has a proxy.
func meshed(name, uid string, ips ...netip.Addr) Pod {
	return Pod{ID: pods.ID{Namespace: "shop", Name: name, UID: uid}, IPs: ips, Replaced: true, Facts: pods.Facts{
		UID: uid, Annotations: map[string]string{pods.ProxyVersion: "edge"}, Labels: map[string]string{}, Namespace: map[string]string{},
		Containers: []string{"app", pods.ProxyContainer}, InitContainers: []string{"linkerd-network-validator"}}}
}

// has makes pods known to the API server, and sees them.
func (n *node) has(list ...Pod) {
	n.mu.Lock()
	for _, p := range list {
		n.api[p.UID] = p
	}
	n.mu.Unlock()
	for _, p := range list {
		n.See(p)
	}
}

func (n *node) Fresh(_ context.Context, id pods.ID) (Pod, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away != nil {
		return Pod{}, n.away
	}
	p, ok := n.api[id.UID]
	if !ok {
		return Pod{}, fmt.Errorf("%w: 404", ErrGone)
	}
	return p, nil
}

func (n *node) Evict(_ context.Context, id pods.ID) error {
	n.note("evict %s %s", id, id.UID)
	n.mu.Lock()
	f := n.onEvict
	n.mu.Unlock()
	if f != nil {
		return f(id)
	}
	return nil
}

func (n *node) Tell(_ context.Context, id pods.ID, note Note) {
	n.note("%s %s", id, note.Reason)
	n.mu.Lock()
	f := n.onTell
	n.mu.Unlock()
	if f != nil {
		f(note)
	}
}

func (n *node) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, fmt.Sprintf(format, args...))
}

// saying is what people were told and what was evicted, in order.
func (n *node) saying() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.told, ", ")
}

// comesTo waits until the pods are in these states, and people were told this.
func (n *node) comesTo(states map[State]int, saying string) {
	n.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		got := n.Repairer.pods.count()
		if fmt.Sprint(got) == fmt.Sprint(states) && n.saying() == saying {
			return
		}
		if time.Now().After(end) {
			n.Fatalf("states %v, want %v; said %q, want %q", got, states, n.saying(), saying)
		}
	}
}

// counts returns a metric's value.
func (n *node) counts(name string, label ...string) float64 {
	n.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		n.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() != "shunt_agent_"+name || len(label) > 0 && m.GetLabel()[0].GetValue() != label[0] {
				continue
			}
			switch {
			case m.Gauge != nil:
				return m.GetGauge().GetValue()
			case m.Counter != nil:
				return m.GetCounter().GetValue()
			}
			return float64(m.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

// withRules writes rules into a namespace, as a plugin would.
func withRules(t testing.TB, ns *netnstest.NS, change ...func(*config.Config)) {
	t.Helper()
	policy, err := cni.ParsePolicy([]byte(installed))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Settings(policy, Pod{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&cfg)
	}
	rules := redirect.Open(ns.NS, cfg, redirect.Options{Version: "v-plugin", Locks: filepath.Join(t.TempDir(), "locks"), MakeLocks: true})
	if _, err := rules.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// live is the text of a namespace's rules.
func live(t testing.TB, ns *netnstest.NS) string {
	return ns.Exec(t, "", "nft", "--stateless", "list", "ruleset")
}

// fakeRules answer as a test wants.
type fakeRules struct{ err error }

func (f fakeRules) Apply(context.Context) (apply.Result, error) { return apply.Result{}, f.err }
func (f fakeRules) Compare(context.Context) (apply.Comparison, error) {
	return apply.Comparison{}, f.err
}

func rulesThat(err error) func(*Config) {
	return func(c *Config) {
		c.open = func(*netns.NS, config.Config, redirect.Options) Rules { return fakeRules{err} }
	}
}
