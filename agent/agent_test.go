package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"shunt/agent/install"
)

// running is an agent at work on folders of its own.
type running struct {
	testing.TB
	net, bin, run   string
	health, metrics string
	log             lockedBuffer
	end             func() // as SIGTERM does
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const primary = `{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ptp"}]}`

// start starts an agent on a node with a network.
func start(t testing.TB, kube *rest.Config, change ...func(*Config)) *running {
	t.Helper()
	dir := t.TempDir()
	r := &running{TB: t, net: filepath.Join(dir, "net.d"), bin: filepath.Join(dir, "bin"), run: filepath.Join(dir, "run"), health: freeAddr(t), metrics: freeAddr(t)}
	plugin := filepath.Join(dir, "plugin")
	if err := os.Mkdir(r.net, 0o755); err != nil {
		t.Fatal(err)
	}
	r.put(plugin, "the plugin")
	r.put(r.conflist(), primary)
	entry, err := install.NewEntry([]byte(install.StandardEntry), "", "linkerd-cni")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Install: install.Config{NetDir: r.net, BinDir: r.bin, Plugin: plugin, Entry: entry, Mode: install.Auto},
		Kube:    kube, Node: "node1", Namespace: "linkerd-cni", DaemonSet: "linkerd-cni", OnTerm: OnTermAuto,
		HealthAddr: r.health, MetricsAddr: r.metrics, Version: "v1", RunDir: r.run,
	}
	for _, f := range change {
		f(&cfg)
	}
	r.run = cfg.RunDir
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- Run(ctx, cfg, slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}()
	r.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the agent: %v", err)
		}
	})
	t.Cleanup(r.end)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s", r.log.String())
		}
	})
	return r
}

// freeAddr is an address that nobody listens at: each has an IP address of its
// own, since a port that was free could be another test's by now.
func freeAddr(t testing.TB) string {
	ip := netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))})
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (r *running) conflist() string { return filepath.Join(r.net, "10-x.conflist") }

func (r *running) put(path, text string) {
	r.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

func (r *running) chained() bool {
	data, _ := os.ReadFile(r.conflist())
	dropin, _ := os.ReadFile(filepath.Join(r.net, "pods", "50-shunt.conf"))
	return strings.Contains(string(data)+string(dropin), `"shunt"`)
}

// get asks the agent by HTTP.
func (r *running) get(addr, path string) (status int, body string) {
	res, err := http.Get("http://" + addr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	data, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(data)
}

// ready waits until the agent is, and the plugin comes back after a rewrite.
func (r *running) ready() {
	r.Helper()
	r.keeps()
	eventually(r, "it is ready", func() bool { status, _ := r.get(r.health, "/ready"); return status == 200 })
}

// keeps waits until the plugin is chained, and comes back after a rewrite.
func (r *running) keeps() {
	r.Helper()
	eventually(r, "it is chained", r.chained)
	r.put(r.conflist(), primary)
	eventually(r, "it is chained again", r.chained)
}

// says waits for a line of the log, and fails if there is more than one.
func (r *running) says(text string) {
	r.Helper()
	eventually(r, fmt.Sprintf("the log says %q", text), func() bool { return strings.Contains(r.log.String(), text) })
	if n := strings.Count(r.log.String(), text); n > 1 {
		r.Errorf("the log says %q %d times", text, n)
	}
}

// metric waits for a value of a metric.
func (r *running) metric(name, value string) {
	r.Helper()
	eventually(r, name+" is "+value, func() bool {
		_, body := r.get(r.metrics, "/metrics")
		return strings.Contains("\n"+body, "\n"+name+" "+value+"\n")
	})
}

// events are the reasons of the Events that were written.
func (a *api) reasons() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, e := range a.events {
		list = append(list, e.Reason)
	}
	return strings.Join(list, " ")
}

func TestAgentWithAnAPI(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://2.1.4", nil)}
	a.objects["daemonsets"] = []any{daemonSet()}
	r := start(t, a.config())
	eventually(t, "there is a drop-in", func() bool {
		_, err := os.Stat(filepath.Join(r.net, "pods", "50-shunt.conf"))
		return err == nil
	})
	r.metric(`shunt_agent_chained{mode="dropin"}`, "1")
	r.metric(`shunt_agent_chained{mode="chain"}`, "0")
	r.metric(`shunt_agent_build_info{version="v1"}`, "1")
	r.metric(`shunt_agent_install_writes_total{reason="first"}`, "2")
	eventually(t, "an Event says so", func() bool { return strings.Contains(a.reasons(), reasonChained) })
	a.lock(func() {
		e := a.events[0]
		if e.Namespace != "default" || e.Regarding.Kind != "Node" || e.Regarding.Name != "node1" || e.Type != "Normal" || e.Action == "" ||
			e.ReportingController != "shunt-agent" || e.ReportingInstance != "node1" || !strings.Contains(e.Note, "network pods") {
			t.Errorf("the Event: %+v", e)
		}
	})
	if status, _ := r.get(r.health, "/live"); status != 200 {
		t.Errorf("live: %d", status)
	}
	// Somebody takes it out, and a fight begins.
	for range 8 {
		eventually(t, "it is chained", r.chained)
		if err := os.RemoveAll(filepath.Join(r.net, "pods")); err != nil {
			t.Fatal(err)
		}
	}
	r.metric("shunt_agent_contended", "1")
	eventually(t, "Events say so", func() bool {
		return strings.Contains(a.reasons(), reasonLost) && strings.Contains(a.reasons(), reasonContended)
	})
	if status, body := r.get(r.health, "/ready"); status != 503 || !strings.Contains(body, "contended") {
		t.Errorf("ready: %d %s", status, body)
	}
	if n := strings.Count(a.reasons(), reasonLost); n != 1 {
		t.Errorf("%d Events about the same", n)
	}
}

func TestFaultAPIAway(t *testing.T) {
	t.Parallel()
	r := start(t, &rest.Config{Host: "http://" + freeAddr(t)})
	r.keeps()
	r.says("part=node ")
	if status, body := r.get(r.health, "/ready"); status != 503 || !strings.Contains(body, "facts: the pods of this node are not known yet") {
		t.Errorf("ready: %d %s", status, body)
	}
	r.end()
	if !r.chained() {
		t.Error("the plugin is gone")
	}
}

// An agent that cannot make a client of the API, as with a service account whose
// certificate cannot be read, once ended before it had installed anything.
func TestFaultNoClientOfTheAPI(t *testing.T) {
	t.Parallel()
	r := start(t, &rest.Config{Host: "https://" + freeAddr(t), TLSClientConfig: rest.TLSClientConfig{CAData: []byte("no certificate")}})
	r.ready()
	r.says("make a client of the Kubernetes API")
	r.end()
	if !r.chained() {
		t.Error("the plugin is gone")
	}
}

func TestFaultAPISlow(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, kind := range []string{"nodes", "daemonsets", "events"} {
		a.slow[kind] = true
	}
	r := start(t, a.config())
	r.ready()
	r.says("has not said yet which container runtime this is")
	r.end()
	if !r.chained() {
		t.Error("the plugin is gone")
	}
}

func TestFaultAPINotAllowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{401, 403} {
		a := newAPI(t)
		for _, kind := range []string{"nodes", "daemonsets", "events", "pods", "namespaces"} {
			a.status[kind] = status
		}
		r := start(t, a.config())
		r.ready()
		for _, part := range []string{"node", "daemonset", "events", "pods", "namespaces"} {
			r.metric(fmt.Sprintf("shunt_agent_part_off{part=%q}", part), "1")
		}
		r.says("part=node ")
		r.says("part=daemonset ")
		r.says("part=pods ")
		r.says("not allowed to write Events")
		r.end()
		if !r.chained() {
			t.Errorf("%d: the plugin is gone", status)
		}
	}
}

func TestFaultAPINotAllowedAnyMore(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://1.7.0", nil)}
	a.objects["daemonsets"] = []any{daemonSet()}
	r := start(t, a.config())
	r.ready()
	eventually(t, "the DaemonSet is watched", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.watches["daemonsets"]) > 0 })
	a.lock(func() { a.status["daemonsets"] = 403 }) // helm takes the role away first
	a.cut("daemonsets")
	r.metric(`shunt_agent_part_off{part="daemonset"}`, "1")
	r.end()
	if !r.chained() {
		t.Error("that was taken for a deletion")
	}
}

func TestFaultAPIGone(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://1.7.0", nil)}
	a.objects["daemonsets"] = []any{daemonSet()}
	r := start(t, a.config())
	r.ready()
	eventually(t, "the DaemonSet is watched", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.watches["daemonsets"]) > 0 })
	// The watch is too old, and meanwhile the DaemonSet was deleted: the next
	// list does not have it.
	a.lock(func() { a.objects["daemonsets"] = nil })
	a.say("daemonsets", "ERROR", failure(410))
	r.says("leaves=true")
	r.end()
	if r.chained() {
		t.Error("the plugin stays, although the DaemonSet is deleted")
	}
}

func TestOnTerm(t *testing.T) {
	t.Parallel()
	here := map[string]string{"kubernetes.io/os": "linux"}
	selector := func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.NodeSelector = here }
	for _, c := range []struct {
		name   string
		mode   OnTerm
		happen func(a *api)
		says   string
		stays  bool
	}{
		{"an upgrade", OnTermAuto, func(a *api) { a.say("daemonsets", "MODIFIED", daemonSet(selector)) }, "", true},
		{"deleted", OnTermAuto, func(a *api) { a.say("daemonsets", "DELETED", daemonSet(selector)) }, "leaves=true", false},
		{"being deleted", OnTermAuto, func(a *api) {
			a.say("daemonsets", "MODIFIED", daemonSet(func(d *appsv1.DaemonSet) { now := metav1.Now(); d.DeletionTimestamp = &now }))
		}, "leaves=true", false},
		{"deleted and made again", OnTermAuto, func(a *api) {
			a.say("daemonsets", "DELETED", daemonSet())
			a.say("daemonsets", "ADDED", daemonSet())
		}, "leaves=false", true},
		{"the node lost its label", OnTermAuto, func(a *api) { a.say("nodes", "MODIFIED", node("containerd://1.7.0", nil)) }, "leaves=true", false},
		{"the selector changed", OnTermAuto, func(a *api) {
			a.say("daemonsets", "MODIFIED", daemonSet(func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.NodeSelector = map[string]string{"a": "b"} }))
		}, "leaves=true", false},
		{"keep", OnTermKeep, func(a *api) { a.say("nodes", "MODIFIED", node("containerd://1.7.0", nil)) }, "", true},
		{"revert", OnTermRevert, func(*api) {}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			a.objects["nodes"] = []any{node("containerd://1.7.0", here)}
			a.objects["daemonsets"] = []any{daemonSet(selector)}
			r := start(t, a.config(), func(cfg *Config) { cfg.OnTerm = c.mode })
			r.ready()
			eventually(t, "all is watched", func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return len(a.watches["nodes"]) > 0 && (c.mode != OnTermAuto || len(a.watches["daemonsets"]) > 0)
			})
			c.happen(a)
			if c.says != "" {
				r.says(c.says)
			}
			r.end()
			if r.chained() != c.stays {
				t.Errorf("chained: %v", r.chained())
			}
		})
	}
}

func TestFindSelf(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "linkerd-cni", Name: host,
			OwnerReferences: []metav1.OwnerReference{{Kind: "DaemonSet", Name: "ds", Controller: &yes}}},
		Spec: corev1.PodSpec{NodeName: "node7"}}
	for _, c := range []struct {
		name, node, ds   string
		pods             []any
		wantNode, wantDS string
	}{
		{"a pod of its own network", "", "", []any{pod}, "node7", "ds"},
		{"the node's network", "", "", nil, host, ""},
		{"said", "n", "d", []any{pod}, "n", "d"},
		{"the node is said", "n", "", []any{pod}, "n", "ds"},
	} {
		s := newAPI(t)
		s.objects["pods"] = c.pods
		k, err := newKube(s.config())
		if err != nil {
			t.Fatal(err)
		}
		a := &agent{cfg: Config{Node: c.node, DaemonSet: c.ds, Namespace: "linkerd-cni", OnTerm: OnTermAuto}}
		if err := a.findSelf(t.Context(), k); err != nil || a.cfg.Node != c.wantNode || a.cfg.DaemonSet != c.wantDS {
			t.Errorf("%s: %v, node %q, DaemonSet %q", c.name, err, a.cfg.Node, a.cfg.DaemonSet)
		}
	}
}

func TestIdleWithoutFolders(t *testing.T) {
	t.Parallel()
	r := start(t, nil, func(c *Config) { c.Idle = "no folders" })
	r.says("nothing to do here: idle")
	eventually(t, "it is ready", func() bool { status, _ := r.get(r.health, "/ready"); return status == 200 })
	r.end()
	if r.chained() {
		t.Error("it installed")
	}
}

func TestTwoAgentsShareTheHealthAddress(t *testing.T) {
	t.Parallel()
	first := start(t, nil)
	first.ready()
	second := start(t, nil, func(c *Config) { c.HealthAddr = first.health })
	second.says("cannot serve yet, trying again")
	first.end()
	eventually(t, "the second answers", func() bool { status, _ := second.get(first.health, "/ready"); return status == 200 })
}
