package cni

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/facts"
	"shunt/netns/netnstest"
	"shunt/pods"
)

// fakeAgent answers at a socket, as the agent does, and notes what it is asked.
type fakeAgent struct {
	path  string
	mu    sync.Mutex
	asked []pods.ID
}

func startAgent(t testing.TB, path string, answer facts.Handler) *fakeAgent {
	t.Helper()
	s, err := facts.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &fakeAgent{path: path}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ctx, func(ctx context.Context, id pods.ID) (pods.Facts, error) {
			a.mu.Lock()
			a.asked = append(a.asked, id)
			a.mu.Unlock()
			return answer(ctx, id)
		}, func(string, time.Duration, error) {})
	}()
	t.Cleanup(func() { stop(); <-done })
	return a
}

func (a *fakeAgent) times() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.asked)
}

func agentSocket(t testing.TB) string { return filepath.Join(t.TempDir(), "agent.sock") }

// says is an answer about the pod of podEnv.
func says(f pods.Facts) facts.Handler {
	f.UID = "1-2"
	return func(context.Context, pods.ID) (pods.Facts, error) { return f, nil }
}

// meshedPod is what the agent knows of a meshed pod.
func meshedPod() pods.Facts {
	return pods.Facts{Annotations: map[string]string{"linkerd.io/proxy-version": "edge"}, Labels: map[string]string{}, Namespace: map[string]string{},
		Containers: []string{"app", "linkerd-proxy"}, InitContainers: []string{"linkerd-network-validator"}}
}

func (f *fakeRules) asking(path string) *Plugin {
	p := f.plugin()
	p.Socket = path
	return p
}

// Linkerd's plugin asks the API server for a namespace's annotations; a runtime
// never passes them. The agent does.
func TestTheAnnotationsOfTheNamespaceCountThroughTheAgent(t *testing.T) {
	t.Parallel()
	known := meshedPod()
	known.Annotations["config.linkerd.io/skip-outbound-ports"] = "3306"
	known.Namespace = map[string]string{"config.linkerd.io/skip-outbound-ports": "5432", "config.linkerd.io/skip-subnets": "10.0.0.0/8", "config.linkerd.io/skip-inbound-ports": "8080"}
	for name, members := range map[string]string{
		"asked because the runtime says nothing": `"x":1`,
		"asked always":                           `"facts":"always",` + injected("config.linkerd.io/skip-outbound-ports", "3306"),
		"asked always, as the block says":        `"linkerd":{"facts":"always"},` + annotations(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, agentSocket(t), says(known))
			f := &fakeRules{}
			o := invoke(t, f.asking(a.path), podEnv("ADD", netnstest.New(t).Path), conf(members))
			o.ok(t)
			got := settings(f.cfg)
			if got["skip-outbound-ports"] != "3306" || got["skip-subnets"] != "10.0.0.0/8" || !strings.Contains(got["skip-inbound-ports"], "8080") {
				t.Errorf("the settings: %v", got)
			}
			if !strings.Contains(o.stderr, "facts=agent") || strings.Contains(o.stderr, "namespace's annotations") {
				t.Errorf("the log:\n%s", o.stderr)
			}
			if want := (pods.ID{Namespace: "emojivoto", Name: "web-5f", UID: "1-2"}); !slices.Equal(a.asked, []pods.ID{want}) {
				t.Errorf("asked about %v", a.asked)
			}
		})
	}
}

func TestThePluginAsksTheAgentOnlyWhereTheRuntimeSaysNothing(t *testing.T) {
	t.Parallel()
	a := startAgent(t, agentSocket(t), says(meshedPod()))
	for _, tt := range []struct {
		verb, members, args string
		asks                bool
	}{
		{"ADD", injected(), "", false},
		{"ADD", annotations(), "", false},
		{"ADD", `"facts":"needed",` + injected(), "", false},
		{"ADD", `"runtimeConfig":{"io.kubernetes.cri.pod-annotations":null}`, "", false},
		{"ADD", `"x":1`, "", true},
		{"CHECK", injected(), "", false},
		{"CHECK", `"x":1`, "", true},
		{"DEL", `"x":1`, "", false},
		{"DEL", `"facts":"always"`, "", false},
		{"DEL", `"facts":"always",` + injected(), "", false},
		{"ADD", `"facts":"always",` + injected(), "", true},
		{"ADD", `"facts":"always",` + annotations(), "", true},
		{"CHECK", `"facts":"always",` + injected(), "", true},
		{"ADD", `"facts":"always"`, "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns", false}, // excluded
		{"ADD", `"facts":"always"`, "IgnoreUnknown=1", false},                                // no pod
	} {
		before := a.times()
		e := podEnv(tt.verb, netnstest.New(t).Path)
		if tt.args != "" {
			e = e.with("CNI_ARGS", tt.args)
		}
		invoke(t, (&fakeRules{}).asking(a.path), e, conf(tt.members)).ok(t)
		if asked := a.times() > before; asked != tt.asks {
			t.Errorf("%s with %s %s: asked %t", tt.verb, tt.members, tt.args, asked)
		}
	}
	invoke(t, (&fakeRules{}).asking(a.path), env{"CNI_COMMAND": "STATUS"}, strings.Replace(conf(`"facts":"always"`), "1.0.0", "1.1.0", 1)).ok(t)
	if n := a.times(); n != 5 {
		t.Errorf("asked %d times", n)
	}
}

// What only the agent knows decides: a label, containers.
func TestAskingAlwaysKnowsMoreThanAnnotations(t *testing.T) {
	t.Parallel()
	labelled, initMode, byHand := meshedPod(), meshedPod(), meshedPod()
	labelled.Labels = map[string]string{"linkerd.io/control-plane-component": "destination"}
	initMode.InitContainers = []string{"linkerd-init"}
	byHand.Annotations = map[string]string{}
	for _, tt := range []struct {
		name  string
		known pods.Facts
		calls []string
		skips string
	}{
		{"the control plane in a namespace of another name", labelled, []string{"apply"}, "443,6443"},
		{"a pod whose init container writes the rules", initMode, nil, ""},
		{"a proxy that nobody annotated", byHand, []string{"apply"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := startAgent(t, agentSocket(t), says(tt.known))
			f := &fakeRules{}
			invoke(t, f.asking(a.path), podEnv("ADD", netnstest.New(t).Path), conf(chart, `"facts":"always"`, injected())).ok(t)
			if got := settings(f.cfg)["skip-outbound-ports"]; !slices.Equal(f.calls, tt.calls) || got != tt.skips {
				t.Errorf("calls %v, skips outbound %s", f.calls, got)
			}
		})
	}
}

func TestAskingAlwaysGoesByTheRuntimeWhereTheAgentIsAway(t *testing.T) {
	t.Parallel()
	f := &fakeRules{}
	o := invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path), conf(`"facts":"always"`, injected("config.linkerd.io/skip-outbound-ports", "3306")))
	o.ok(t)
	if !slices.Equal(f.calls, []string{"apply"}) || settings(f.cfg)["skip-outbound-ports"] != "3306" {
		t.Errorf("calls %v, settings %v", f.calls, settings(f.cfg))
	}
	if !strings.Contains(o.stderr, "level=WARN") || !strings.Contains(o.stderr, "shunt-agent does not answer at /no/such/agent.sock") {
		t.Errorf("the log:\n%s", o.stderr)
	}
}

func TestNobodySaysWhetherThePodIsMeshed(t *testing.T) {
	t.Parallel()
	const nothing = `"x":1`
	f := &fakeRules{}
	for _, members := range []string{nothing, `"facts":"always"`} {
		invoke(t, f.plugin(), podEnv("ADD", "/x"), conf(members)).fails(t, types.ErrTryAgainLater, "pod emojivoto/web-5f",
			`no runtimeConfig["io.kubernetes.cri.pod-annotations"], and shunt-agent does not answer at /no/such/agent.sock: connect: no such file or directory: it is not known whether`,
			"see that shunt-agent runs on this node (kubectl get pods", `"capabilities": {"io.kubernetes.cri.pod-annotations": true}`, "exclude-namespaces")
	}
	for why, want := range map[facts.Unknown]struct {
		code uint
		text string
	}{
		facts.Unsynced: {types.ErrTryAgainLater, "the API server does not answer it"},
		facts.NotFound: {types.ErrTryAgainLater, "the API server has no such pod on this node: it is not known whether the pod is meshed"},
		facts.OtherUID: {types.ErrTryAgainLater, "another uid"},
		facts.TooBig:   {types.ErrInvalidNetworkConfig, "use fewer or wider ranges in the pod's annotations"},
	} {
		a := startAgent(t, agentSocket(t), func(context.Context, pods.ID) (pods.Facts, error) { return pods.Facts{}, why })
		invoke(t, f.asking(a.path), podEnv("ADD", "/x"), conf(nothing)).fails(t, want.code, want.text)
		// The runtime's own word is still good.
		invoke(t, f.asking(a.path), podEnv("ADD", netnstest.New(t).Path), conf(`"facts":"always"`, annotations())).ok(t)
	}
	if len(f.calls) != 0 {
		t.Errorf("calls %v", f.calls)
	}
}

// The answer has to leave time for the rules, whatever the timeout.
func TestAnAgentThatDoesNotAnswerIsNotWaitedForTooLong(t *testing.T) {
	t.Parallel()
	a := startAgent(t, agentSocket(t), func(ctx context.Context, _ pods.ID) (pods.Facts, error) {
		<-ctx.Done()
		return pods.Facts{}, facts.Unsynced
	})
	o := invoke(t, (&fakeRules{}).asking(a.path), podEnv("ADD", "/x"), conf(`"timeout":"400ms"`))
	o.fails(t, types.ErrTryAgainLater, "shunt-agent does not answer at "+a.path+": timed out")
	f := &fakeRules{}
	o = invoke(t, f.asking(a.path), podEnv("ADD", netnstest.New(t).Path), conf(`"timeout":"2s","facts":"always"`, injected()))
	o.ok(t)
	if !slices.Equal(f.calls, []string{"apply"}) {
		t.Errorf("calls %v:\n%s", f.calls, o.stderr)
	}
}

func TestWhenTheAgentIsAskedIsOneOfTwoWords(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"sometimes"`, `true`, `""`} {
		invoke(t, (&fakeRules{}).plugin(), podEnv("ADD", "/x"), conf(`"facts":`+value, injected())).
			fails(t, types.ErrInvalidNetworkConfig, "facts is "+value, `want "needed"`)
	}
}

// testFacts asks a real agent's end of the socket with the program itself, for
// real rules.
func testFacts(t *testing.T, dir string) {
	t.Helper()
	known := meshedPod()
	known.Namespace = map[string]string{"config.linkerd.io/skip-outbound-ports": "5432"}
	a := startAgent(t, filepath.Join(dir, "agent.sock"), func(_ context.Context, id pods.ID) (pods.Facts, error) {
		f := pods.Facts{Labels: map[string]string{}, Namespace: map[string]string{}, Containers: []string{"app"}}
		if id.Namespace == "emojivoto" {
			f = known
		}
		f.UID = id.UID
		return f, nil
	})
	node, pod := netnstest.New(t), netnstest.New(t)
	path := filepath.Join(dir, "shunt")
	for _, members := range []string{`"x":1`, `"facts":"always",` + annotations()} {
		o := execute(t, node, path, podEnv("ADD", pod.Path), realConf(members))
		o.ok(t)
		if rules := ruleset(t, pod); !strings.Contains(rules, "5432") || !strings.Contains(rules, "redirect to :4140") {
			t.Errorf("%s: the rules are\n%s\n%s", members, rules, o.stderr)
		}
		execute(t, node, path, podEnv("CHECK", pod.Path), realConf(members)).ok(t)
		execute(t, node, path, podEnv("DEL", pod.Path), realConf(members)).ok(t)
		if rules := ruleset(t, pod); rules != "" {
			t.Errorf("%s: after DEL:\n%s", members, rules)
		}
	}
	other := podEnv("ADD", pod.Path).with("CNI_ARGS", "K8S_POD_NAMESPACE=plain;K8S_POD_NAME=web")
	execute(t, node, path, other, realConf()).ok(t)
	if rules := ruleset(t, pod); rules != "" {
		t.Errorf("a pod without a proxy has rules:\n%s", rules)
	}
	// Two hundred at once, as on a node that starts.
	pass := netnstest.New(t)
	var wait sync.WaitGroup
	before := a.times()
	for i := range 200 {
		wait.Go(func() {
			args := fmt.Sprintf("K8S_POD_NAMESPACE=plain;K8S_POD_NAME=web-%d;K8S_POD_UID=uid-%d", i, i)
			if o := execute(t, node, path, podEnv("ADD", pass.Path).with("CNI_ARGS", args), realConf()); o.status != 0 {
				t.Errorf("pod %d: %s%s", i, o.stdout, o.stderr)
			}
		})
	}
	wait.Wait()
	if n := a.times() - before; n != 200 {
		t.Errorf("%d questions for 200 pods", n)
	}
}

// BenchmarkADD is a pod that is not meshed, as the runtime says and as the agent
// does: both in each round, the medians of the wall time and of the whole
// processes' CPU time, and of their differences. The agent's end is this process.
func BenchmarkADD(b *testing.B) {
	dir := program(b)
	startAgent(b, filepath.Join(dir, "agent.sock"), says(pods.Facts{Labels: map[string]string{}, Namespace: map[string]string{}, Containers: []string{"app"}}))
	pod := netnstest.New(b)
	confs := []string{conf(chart, annotations("app", "web")), conf(chart)}
	wall, cpu := make([][]float64, 3), make([][]float64, 3)
	median := func(list []float64) float64 { slices.Sort(list); return list[len(list)/2] }
	for b.Loop() {
		var took, used [2]float64
		for i := range confs {
			cmd := exec.Command(filepath.Join(dir, "shunt"))
			for k, v := range podEnv("ADD", pod.Path) {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			cmd.Stdin = strings.NewReader(confs[i])
			start := time.Now()
			if out, err := cmd.Output(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			took[i] = time.Since(start).Seconds() * 1e3
			used[i] = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds() * 1e3
			wall[i], cpu[i] = append(wall[i], took[i]), append(cpu[i], used[i])
		}
		wall[2], cpu[2] = append(wall[2], took[1]-took[0]), append(cpu[2], used[1]-used[0])
	}
	for i, who := range []string{"runtime", "agent", "difference"} {
		b.ReportMetric(median(wall[i]), who+"-ms")
		b.ReportMetric(median(cpu[i]), who+"-cpu-ms")
	}
	b.ReportMetric(0, "ns/op")
}
