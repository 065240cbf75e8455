package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"shunt/facts"
	"shunt/pods"
)

// ask asks as the plugin does.
func (r *running) ask(name, uid string) (pods.Facts, error) {
	return facts.Ask(filepath.Join(r.run, facts.SocketFile), pods.ID{Namespace: "shop", Name: name, UID: uid}, facts.MaxWait)
}

// answers asks about a pod, as often as there is no agent, and wants facts.
func (r *running) answers(name, uid string) pods.Facts {
	r.Helper()
	var f pods.Facts
	var err error
	eventually(r, "somebody answers", func() bool { f, err = r.ask(name, uid); return !errors.Is(err, facts.ErrAway) })
	if err != nil || f.UID != uid {
		r.Errorf("about %s %s: %+v, %v", name, uid, f, err)
	}
	return f
}

// shop is an API server with these pods in namespace shop.
func shop(t testing.TB, list ...any) *api {
	a := newAPI(t)
	a.objects["nodes"] = []any{node("containerd://1.7.0", nil)}
	a.objects["daemonsets"] = []any{daemonSet()}
	a.objects["pods"] = list
	a.objects["namespaces"] = []any{someNamespace("shop", map[string]string{"config.linkerd.io/skip-subnets": "10.0.0.0/8"})}
	return a
}

// noAPI is the configuration of an API server that does not answer.
func noAPI(t testing.TB) *rest.Config { return &rest.Config{Host: "http://" + freeAddr(t)} }

func TestThePluginGetsFactsThatNoRuntimePasses(t *testing.T) {
	t.Parallel()
	a := shop(t, somePod("web-0", "1", func(p *corev1.Pod) { p.Labels["linkerd.io/control-plane-component"] = "destination" }))
	r := start(t, a.config())
	r.ready()
	f := r.answers("web-0", "1")
	if f.Namespace["config.linkerd.io/skip-subnets"] != "10.0.0.0/8" || !f.ControlPlane("shop", nil) || !f.Meshed() || f.Annotations["long"] != "" {
		t.Errorf("the facts: %+v", f)
	}
	r.metric("shunt_agent_facts_synced", "1")
	r.metric("shunt_agent_facts_age_seconds", "0")
	r.metric(`shunt_agent_plugin_requests_total{result="known"}`, "1")
	r.metric("shunt_agent_plugin_request_seconds_count", "1")
	if _, text := r.get(r.health, "/facts"); text != "current, 1 pods\n" {
		t.Errorf("for people: %s", text)
	}
	if info, err := os.Stat(r.run); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}

	// The API server goes away later: that changes nothing but the age.
	a.lock(func() { a.status["pods"], a.status["namespaces"] = 500, 500 })
	a.cut("pods")
	eventually(t, "the facts grow old", func() bool {
		_, text := r.get(r.health, "/facts")
		return strings.Contains(text, " old, 1 pods: the API server does not answer")
	})
	r.answers("web-0", "1")
	if status, body := r.get(r.health, "/ready"); status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
}

func TestAWatchThatLagsBehindADD(t *testing.T) {
	t.Parallel()
	a := shop(t)
	r := start(t, a.config())
	r.ready()
	a.watched()
	var wait sync.WaitGroup
	wait.Go(func() { r.answers("late", "1") })
	// This one the watch never hears of.
	a.lock(func() { a.objects["pods"] = []any{somePod("never", "2")} })
	wait.Go(func() { r.answers("never", "2") })
	wait.Go(func() {
		if f, err := r.ask("nowhere", "3"); err != error(facts.NotFound) {
			t.Errorf("about a pod that is not there: %+v, %v", f, err)
		}
	})
	a.say("pods", "ADDED", somePod("late", "1"))
	wait.Wait()
}

func TestAPodThatIsDeletedAndMadeAgainUnderItsName(t *testing.T) {
	t.Parallel()
	old := somePod("web-0", "1", func(p *corev1.Pod) { p.Annotations["config.linkerd.io/skip-outbound-ports"] = "1" })
	a := shop(t, old)
	r := start(t, a.config())
	r.ready()
	a.watched()
	r.answers("web-0", "1")
	got := make(chan pods.Facts)
	go func() { got <- r.answers("web-0", "2") }()
	a.say("pods", "DELETED", old)
	a.say("pods", "ADDED", somePod("web-0", "2", func(p *corev1.Pod) { p.Annotations["config.linkerd.io/skip-outbound-ports"] = "2" }))
	if f := <-got; f.Annotations["config.linkerd.io/skip-outbound-ports"] != "2" {
		t.Errorf("the new pod got the old one's facts: %+v", f)
	}
	a.lock(func() { a.objects["pods"] = []any{somePod("web-0", "2")} })
	if f, err := r.ask("web-0", "1"); err != error(facts.OtherUID) {
		t.Errorf("about the old one: %+v, %v", f, err)
	}
	r.metric(`shunt_agent_plugin_requests_total{result="uid"}`, "1")
}

func TestTwoHundredADDsAtOnceWhileTheirPodsAreHeardOf(t *testing.T) {
	t.Parallel()
	a := shop(t)
	r := start(t, a.config())
	r.ready()
	a.watched()
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() { r.answers(fmt.Sprint("web-", i), fmt.Sprint("uid-", i)) })
	}
	for i := range 200 {
		a.say("pods", "ADDED", somePod(fmt.Sprint("web-", i), fmt.Sprint("uid-", i)))
	}
	wait.Wait()
}

func TestTheSocketsFolderIsRemovedWhileTheAgentRuns(t *testing.T) {
	t.Parallel()
	r := start(t, shop(t, somePod("web-0", "1")).config())
	r.ready()
	r.answers("web-0", "1")
	if err := os.RemoveAll(r.run); err != nil {
		t.Fatal(err)
	}
	r.answers("web-0", "1")
	eventually(t, "there is a snapshot again", func() bool { _, err := os.Stat(filepath.Join(r.run, snapshotFile)); return err == nil })
	if status, body := r.get(r.health, "/live"); status != 200 {
		t.Errorf("live: %d %s", status, body)
	}
}

func TestAnAgentThatIsRestartedBetweenADDAndAnswer(t *testing.T) {
	t.Parallel()
	a := shop(t)
	first := start(t, a.config())
	first.ready()
	got := make(chan error)
	go func() {
		_, err := first.ask("web-0", "1") // waits, since nobody has heard of it
		got <- err
	}()
	eventually(t, "the question has come", func() bool {
		sockets, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(sockets)) {
			// Num RefCount Protocol Flags Type St Inode Path; state 03 is connected.
			if f := strings.Fields(line); len(f) == 8 && f[5] == "03" && strings.HasPrefix(f[7], filepath.Join(first.run, facts.SocketFile)) {
				return true
			}
		}
		return false
	})
	first.end()
	a.lock(func() { a.objects["pods"] = []any{somePod("web-0", "1")} })
	start(t, a.config(), func(c *Config) { c.RunDir = first.run })
	if err := <-got; err != nil {
		t.Errorf("the plugin that asked the first agent: %v", err)
	}
}

// A mount keeps a folder that the node has no more: nothing can be made in it.
func TestAFolderThatIsGoneUnderItsMountTakesARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	m := newMetrics("")
	h := &health{}
	f := newFactServer(fmt.Sprintf("/proc/self/fd/%d/.", dir.Fd()), newPodWatch(slog.New(slog.DiscardHandler), m), slog.New(slog.DiscardHandler), m)
	f.lost = h.restart
	if _, err := f.listen(); err == nil || !strings.Contains(err.Error(), "it takes a restart of the container") {
		t.Errorf("listen: %v", err)
	}
	live := httptest.NewRecorder()
	h.handler().ServeHTTP(live, httptest.NewRequest("GET", "/live", nil))
	if live.Code != 503 || !strings.Contains(live.Body.String(), "was removed on the node") {
		t.Errorf("live: %d %s", live.Code, live.Body)
	}
}

func TestTheAPIServerIsAwayAndThereIsASnapshot(t *testing.T) {
	t.Parallel()
	first := start(t, shop(t, somePod("web-0", "1"), somePod("etcd", "api", func(p *corev1.Pod) { p.Annotations[corev1.MirrorPodAnnotationKey] = "hash" })).config())
	first.ready()
	path := filepath.Join(first.run, snapshotFile)
	eventually(t, "there is a snapshot", func() bool { _, err := os.Stat(path); return err == nil })
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the snapshot: %v, %v", info, err)
	}
	first.end()
	second := start(t, noAPI(t), func(c *Config) { c.RunDir = first.run })
	f := second.answers("web-0", "1")
	if f.Namespace["config.linkerd.io/skip-subnets"] != "10.0.0.0/8" || !f.Meshed() {
		t.Errorf("the facts: %+v", f)
	}
	second.answers("etcd", "hash")
	if _, text := second.get(second.health, "/facts"); !strings.Contains(text, "2 pods from before this agent started: the API server has not answered yet") {
		t.Errorf("for people: %s", text)
	}
	second.metric("shunt_agent_facts_synced", "0")
	// The next pod of that name is another one, and without a uid nobody can tell.
	for _, uid := range []string{"2", ""} {
		if f, err := second.ask("web-0", uid); err != error(facts.Unsynced) {
			t.Errorf("about uid %q: %+v, %v", uid, f, err)
		}
	}
	second.end()
	if after, _, err := readSnapshot(path); err != nil || len(after) != 2 {
		t.Errorf("an agent that knew nothing left %d pods, %v", len(after), err)
	}
}

func TestTheAPIServerIsAwayAndThereIsNoSnapshot(t *testing.T) {
	t.Parallel()
	r := start(t, noAPI(t))
	r.keeps()
	if f, err := r.ask("web-0", "1"); err != error(facts.Unsynced) {
		t.Errorf("%+v, %v", f, err)
	}
	r.metric("shunt_agent_facts_age_seconds", "NaN")
	r.metric(`shunt_agent_plugin_requests_total{result="unsynced"}`, "1")
}

func TestASnapshotThatMakesNoSenseIsNotUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, text := range []string{"garbage", `{"v":2}`} {
		if err := os.WriteFile(filepath.Join(dir, snapshotFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := start(t, noAPI(t), func(c *Config) { c.RunDir = dir })
		r.says("what the agent before this one knew of pods is not used")
		r.end()
	}
	// A named pipe does not hold the agent up.
	path := filepath.Join(dir, snapshotFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, noAPI(t), func(c *Config) { c.RunDir = dir })
	r.says("what the agent before this one knew of pods is not used")
}

func TestOfTwoAgentsThatOverlapOneAlwaysAnswers(t *testing.T) {
	t.Parallel()
	a := shop(t, somePod("web-0", "1"))
	first := start(t, a.config())
	first.ready()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for ctx.Err() == nil {
			if _, err := first.ask("web-0", "1"); err != nil {
				t.Errorf("in the meantime: %v", err)
			}
		}
	})
	second := start(t, a.config(), func(c *Config) { c.RunDir = first.run })
	second.ready()
	second.says("plugins can ask about pods")
	first.end()
	second.answers("web-0", "1")
	stop()
	wait.Wait()
}

func TestPodsAreNotAllowedAsInLinkerdsChart(t *testing.T) {
	t.Parallel()
	a := shop(t)
	a.status["pods"], a.status["namespaces"] = 403, 403
	r := start(t, a.config())
	r.ready()
	r.says("part=pods ")
	r.metric(`shunt_agent_part_off{part="pods"}`, "1")
	if _, text := r.get(r.health, "/facts"); text != "none: not allowed to list and watch pods\n" {
		t.Errorf("for people: %s", text)
	}
}

func TestFactsThatAreSwitchedOff(t *testing.T) {
	t.Parallel()
	a := shop(t, somePod("web-0", "1"))
	r := start(t, a.config(), func(c *Config) { c.NoFacts = "--facts is false" })
	r.ready()
	if _, err := r.ask("web-0", "1"); !errors.Is(err, facts.ErrAway) {
		t.Errorf("asked: %v", err)
	}
	a.lock(func() {
		if len(a.watches["pods"]) > 0 {
			t.Error("pods are watched for nobody")
		}
	})
	if _, text := r.get(r.health, "/facts"); text != "none: --facts is false\n" {
		t.Errorf("for people: %s", text)
	}
}

// Where the runtime passes no annotations, the plugin is chained once it can ask.
func TestARuntimeThatPassesNoAnnotations(t *testing.T) {
	t.Parallel()
	a := shop(t, somePod("web-0", "1"))
	a.objects["nodes"] = []any{node("docker://24.0.7", nil)}
	a.slow["pods"] = true
	r := start(t, a.config())
	r.says("which passes no pod annotations to plugins; the agent does not know the pods yet either")
	if r.chained() {
		t.Error("chained before anybody could say which pods are meshed")
	}
	r.end()

	a.lock(func() { a.slow["pods"] = false })
	again := func(change ...func(*Config)) *running {
		return start(t, a.config(), append(change, func(c *Config) { c.RunDir, c.Install.NetDir, c.Install.BinDir = r.run, r.net, r.bin })...)
	}
	second := again()
	second.net = r.net
	second.ready()
	second.end()

	// A restart while the API server is away takes nothing out.
	a.lock(func() { a.slow["pods"] = true })
	third := again()
	third.net = r.net
	third.says("the container runtime is known")
	third.keeps()
	third.end()

	// An agent that will not serve facts does.
	fourth := again(func(c *Config) { c.NoFacts = "--facts is false" })
	eventually(t, "it is taken out", func() bool { return !r.chained() })
	fourth.end()
}
