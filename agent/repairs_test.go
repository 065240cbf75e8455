package agent

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"shunt/agent/repair"
	"shunt/netns/netnstest"
	"shunt/pods"
)

func TestMain(m *testing.M) { netnstest.Main(m) }

// addressed gives a pod an address, and the owner that all pods here have.
func addressed(ip netip.Addr, change ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "rs", Controller: &yes}}
		p.Status.PodIPs = []corev1.PodIP{{IP: ip.String()}}
		p.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
		for _, f := range change {
			f(p)
		}
	}
}

func runs(p *corev1.Pod) {
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}

// repairing has the agent look after the pods whose namespaces these are.
func repairing(t testing.TB, change func(*Repair), list ...*netnstest.NS) func(*Config) {
	folder := t.TempDir()
	for i, ns := range list {
		if err := os.Symlink(ns.Path, filepath.Join(folder, string(rune('a'+i)))); err != nil {
			t.Fatal(err)
		}
	}
	return func(c *Config) {
		c.Repair = Repair{Mode: repair.InPlace, Netns: folder, Locks: filepath.Join(t.TempDir(), "locks")}
		if change != nil {
			change(&c.Repair)
		}
	}
}

// about are the reasons of the Events about a pod.
func (a *api) about(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, e := range a.events {
		if e.Regarding.Kind == "Pod" && e.Regarding.Name == name {
			list = append(list, e.Type+" "+e.Reason)
		}
	}
	return strings.Join(list, ", ")
}

// The story that the repair is for, with real connections: a pod whose sandbox
// was made before the plugin was chained, and whose validator, an init container,
// connects again and again until it is redirected.
func TestAPodWithoutRulesThatItsValidatorBlocksIsRepairedAndRuns(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	netnstest.StartProxy(t, top.Pod, 4143, 4140)
	netnstest.StartApp(t, top.Server, netip.AddrPortFrom(netip.IPv4Unspecified(), 8080))
	netnstest.StartApp(t, top.Pod, netip.AddrPortFrom(netip.IPv4Unspecified(), 8080))
	out := netnstest.DialOptions{To: netip.AddrPortFrom(top.Server.IPv4, 8080)}
	in := netnstest.DialOptions{To: netip.AddrPortFrom(top.Pod.IPv4, 8080)}
	if who, err := netnstest.Dial(top.Pod, out); err != nil || !strings.HasPrefix(who, "app ") {
		t.Fatalf("before: %q answers (%v)", who, err)
	}

	a := newAPI(t)
	blocked := somePod("web", "1", addressed(top.Pod.IPv4))
	a.objects["pods"] = []any{blocked}
	a.objects["namespaces"] = []any{someNamespace("shop", nil)}
	r := start(t, a.config(), repairing(t, nil, top.Client, top.Pod, top.Server))
	validated := make(chan struct{})
	go func() { // the validator
		defer close(validated)
		for t.Context().Err() == nil {
			if who, _ := netnstest.Dial(top.Pod, out); strings.HasPrefix(who, "proxy outbound") {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	<-validated
	eventually(t, "people are told", func() bool { return a.about("web") == "Warning RulesMissing, Normal RulesRepaired" })
	a.say("pods", "MODIFIED", somePod("web", "1", addressed(top.Pod.IPv4, runs))) // its application starts
	r.metric(`shunt_agent_pods{state="ruled"}`, "1")
	r.metric(`shunt_agent_repairs_total{result="done"}`, "1")
	r.metric(`shunt_agent_part_off{part="repair"}`, "0")
	for want, dial := range map[string]func() (string, error){
		"proxy outbound " + out.To.String(): func() (string, error) { return netnstest.Dial(top.Pod, out) },
		"proxy inbound " + in.To.String():   func() (string, error) { return netnstest.Dial(top.Client, in) },
	} {
		if who, err := dial(); err != nil || who != want {
			t.Errorf("%q answers, want %q (%v)", who, want, err)
		}
	}
	for _, other := range []*netnstest.NS{top.Client, top.Server} {
		if text := other.Exec(t, "", "nft", "list", "ruleset"); text != "" {
			t.Errorf("rules in another namespace:\n%s", text)
		}
	}
}

// Repairs once waited for all of the time that they give the namespaces, because
// nobody said that these had been listed.
func TestARepairWaitsForTheListsOfPodsAndNamespacesAndNoLonger(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["namespaces"] = []any{someNamespace("shop", nil)}
	w, _ := watchPods(t, a)
	done := make(chan bool)
	go func() {
		w.waitUntilKnown(t.Context())
		w.mu.Lock()
		defer w.mu.Unlock()
		done <- w.known.pods && w.known.namespaces
	}()
	if !<-done {
		t.Error("pods and namespaces were listed, and it waited until its time was over")
	}
}

// With client-go's own limit, the last of 100 pods that were blocked waited half a
// minute for its Events.
func TestTheEventsOfAHundredPodsDoNotHoldTheirRepairsUp(t *testing.T) {
	t.Parallel()
	k, err := newKube(&rest.Config{Host: "http://127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*rest.RESTClient{"events": k.events, "core": k.core} {
		for i := range 100 {
			if !c.GetRateLimiter().TryAccept() {
				t.Fatalf("%s: after %d requests the next has to wait", name, i)
			}
		}
	}
}

func TestARunningPodWithoutRulesIsReportedOrEvicted(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	for _, evict := range []bool{false, true} {
		a := newAPI(t)
		a.objects["pods"] = []any{somePod("web", "1", addressed(top.Pod.IPv4, runs))}
		a.objects["namespaces"] = []any{someNamespace("shop", nil)}
		r := start(t, a.config(), repairing(t, func(c *Repair) { c.Evict = evict }, top.Pod))
		r.metric(`shunt_agent_pods{state="unruled_running"}`, "1")
		if !evict {
			eventually(t, "people are told", func() bool { return a.about("web") == "Warning RulesMissing" })
			continue
		}
		r.metric(`shunt_agent_evictions_total{result="done"}`, "1")
		a.lock(func() {
			if want := "/api/v1/namespaces/shop/pods/web/eviction policy/v1 1"; strings.Join(a.evicted, ", ") != want {
				t.Errorf("evicted %q, want %q", a.evicted, want)
			}
		})
		if got := a.about("web"); got != "Warning EvictedForRules" {
			t.Errorf("told: %s", got)
		}
	}
}

// A runtime that reads no drop-ins, although its version says that it does.
// Who may annotate a pod could otherwise have the agent change the node's files: the
// runtime was not told what the pod was annotated with later.
func TestPodsThatAreAnnotatedLaterDoNotShowThatThePluginIsNotLoaded(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://2.1.4", nil)}
	a.objects["namespaces"] = []any{someNamespace("shop", nil)}
	r := start(t, a.config(), repairing(t, func(c *Repair) { c.Mode = repair.Report }, top.Pod, top.Server, top.Client))
	r.metric(`shunt_agent_chained{mode="dropin"}`, "1")
	a.watched()
	later := func(p *corev1.Pod) { now := metav1.NewTime(time.Now().Add(time.Hour)); p.Status.StartTime = &now }
	plain := func(p *corev1.Pod) {
		delete(p.Annotations, pods.ProxyVersion)
		p.Spec.Containers = p.Spec.Containers[:1]
	}
	for name, ip := range map[string]netip.Addr{"x": top.Pod.IPv4, "y": top.Server.IPv4} {
		a.say("pods", "ADDED", somePod(name, name, addressed(ip, runs, later, plain)))
		a.say("pods", "MODIFIED", somePod(name, name, addressed(ip, runs, later)))
		a.say("pods", "MODIFIED", somePod(name, name, addressed(ip, runs, later)))
	}
	r.metric(`shunt_agent_pods{state="unruled_running"}`, "2")
	a.say("pods", "ADDED", somePod("web", "2", addressed(top.Client.IPv4, runs, later))) // the first that counts
	eventually(t, "people are told", func() bool { return strings.Contains(a.reasons(), reasonNotLoaded) })
	a.lock(func() {
		for _, ev := range a.events {
			if ev.Reason == reasonNotLoaded && !strings.Contains(ev.Note, "shop/web ") {
				t.Errorf("told: %s", ev.Note)
			}
		}
	})
	r.metric(`shunt_agent_chained{mode="dropin"}`, "1")
}

func TestARuntimeThatDoesNotLoadTheDropinGetsTheChain(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://2.1.4", nil)}
	a.objects["namespaces"] = []any{someNamespace("shop", nil)}
	r := start(t, a.config(), repairing(t, func(c *Repair) { c.Mode = repair.Report }, top.Pod, top.Server, top.Client))
	r.metric(`shunt_agent_chained{mode="dropin"}`, "1")
	a.watched()
	later := func(p *corev1.Pod) { now := metav1.NewTime(time.Now().Add(time.Hour)); p.Status.StartTime = &now }
	early := func(p *corev1.Pod) { now := metav1.Now(); p.Status.StartTime = &now }
	a.say("pods", "ADDED", somePod("early", "1", addressed(top.Client.IPv4, runs, early)))
	a.say("pods", "ADDED", somePod("web", "2", addressed(top.Pod.IPv4, runs, later)))
	eventually(t, "people are told", func() bool { return strings.Contains(a.reasons(), reasonNotLoaded) })
	r.metric(`shunt_agent_pods{state="unruled_running"}`, "2")
	r.metric(`shunt_agent_chained{mode="dropin"}`, "1") // one pod may have lost its rules
	a.say("pods", "ADDED", somePod("db", "3", addressed(top.Server.IPv4, runs, later)))
	r.metric(`shunt_agent_chained{mode="chain"}`, "1")
	if n := strings.Count(a.reasons(), reasonNotLoaded); n != 1 {
		t.Errorf("told %d times", n)
	}
	if _, err := os.Stat(filepath.Join(r.net, "pods", "50-shunt.conf")); err == nil {
		t.Error("the drop-in is still there")
	}
	if data, _ := os.ReadFile(filepath.Join(r.net, ".shunt-installed")); !strings.Contains(string(data), `"ignoresDropins": "containerd://2.1.4"`) {
		t.Errorf("the next agent would not know:\n%s", data)
	}
}

func TestARepairDoesNotNeedEvents(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	for name, fault := range map[string]func(*api){
		"not allowed": func(a *api) { a.status["events"] = 403 },
		"no answer":   func(a *api) { a.slow["events"] = true },
	} {
		a := newAPI(t)
		fault(a)
		a.objects["pods"] = []any{somePod("web", "1", addressed(top.Pod.IPv4)), somePod("db", "2", addressed(top.Server.IPv4))}
		a.objects["namespaces"] = []any{someNamespace("shop", nil)}
		r := start(t, a.config(), repairing(t, nil, top.Pod, top.Server))
		r.metric(`shunt_agent_pods{state="ruled"}`, "2")
		if name == "no answer" { // after one is late, the next are not waited for
			r.metric(`shunt_agent_events_total{result="failed"}`, "1")
		}
		for _, ns := range []*netnstest.NS{top.Pod, top.Server} {
			ns.Exec(t, "delete table ip shunt\n", "nft", "-f", "-")
		}
	}
}

// Where Linkerd's chart starts the agent, it may read pods, and has neither their
// namespaces nor the rights to enter them.
func TestWhereTheRepairIsNotPossibleItIsOffAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["pods"] = []any{somePod("web", "1", addressed(netip.MustParseAddr("10.1.2.3")))}
	r := start(t, a.config(), repairing(t, func(c *Repair) { c.Netns = filepath.Join(c.Netns, "none") }))
	r.metric(`shunt_agent_part_off{part="repair"}`, "1")
	r.says("pods that started without rules are neither repaired nor reported")
	r.ready()
}
