package agent

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"shunt/pods"
)

// somePod is a pod of node1 in namespace shop, as the API server has it.
func somePod(name, uid string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(uid), ResourceVersion: "2",
			Annotations: map[string]string{"linkerd.io/proxy-version": "edge", "config.linkerd.io/skip-outbound-ports": "3306", "long": "text"},
			Labels:      map[string]string{"app": name}},
		Spec: corev1.PodSpec{NodeName: "node1", Containers: []corev1.Container{{Name: "app", Image: "x"}, {Name: "linkerd-proxy"}},
			InitContainers: []corev1.Container{{Name: "linkerd-network-validator"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func someNamespace(name string, annotations map[string]string) *corev1.Namespace {
	return &corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "2", Annotations: annotations}}
}

// heard is what a listener was told.
type heard struct {
	mu    sync.Mutex
	lines []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.lines)
}

func watchPods(t *testing.T, a *api) (*podWatch, *heard) {
	t.Helper()
	k, err := newKube(a.config())
	if err != nil {
		t.Fatal(err)
	}
	w := newPodWatch(slog.New(slog.DiscardHandler), newMetrics(""))
	h := &heard{}
	w.listen(podListener{})
	w.listen(podListener{
		is:     func(p pod) { h.add("%s %s started=%t", p, p.UID, p.Started) },
		gone:   func(p pod) { h.add("%s %s is gone", p, p.UID) },
		synced: func() { h.add("synced") },
	})
	go w.run(t.Context(), k, "node1")
	return w, h
}

// watched waits until the watches of pods and namespaces are open.
func (a *api) watched() {
	a.Helper()
	eventually(a, "pods and namespaces are watched", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.watches["pods"]) > 0 && len(a.watches["namespaces"]) > 0
	})
}

func TestThePodsOfTheNodeAreKeptAndToldOf(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.objects["pods"] = []any{somePod("web-0", "1")}
	a.objects["namespaces"] = []any{someNamespace("shop", map[string]string{"config.linkerd.io/skip-subnets": "10.0.0.0/8", "other": "x"})}
	w, h := watchPods(t, a)
	tells := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprintf("it tells of %q", want), func() bool { return reflect.DeepEqual(h.all(), want) })
	}
	lines := []string{"shop/web-0 1 started=false", "synced"}
	tells(lines...)
	a.watched()
	if !w.synced() {
		t.Error("not synced")
	}
	a.lock(func() {
		if !slices.Contains(a.asked, "/api/v1/pods spec.nodeName=node1") || slices.Contains(a.asked, "/api/v1/pods ") {
			t.Errorf("it asked for %q", a.asked)
		}
	})
	p, ok := w.find(t.Context(), pods.ID{Namespace: "shop", Name: "web-0", UID: "1"})
	want := pod{ID: pods.ID{Namespace: "shop", Name: "web-0", UID: "1"}, Phase: corev1.PodPending, Facts: pods.Facts{
		UID:            "1",
		Annotations:    map[string]string{"linkerd.io/proxy-version": "edge", "config.linkerd.io/skip-outbound-ports": "3306"},
		Labels:         map[string]string{},
		Namespace:      map[string]string{"config.linkerd.io/skip-subnets": "10.0.0.0/8"},
		Containers:     []string{"app", "linkerd-proxy"},
		InitContainers: []string{"linkerd-network-validator"},
	}}
	if !ok || !reflect.DeepEqual(p, want) {
		t.Errorf("it keeps %t\n%+v, want\n%+v", ok, p, want)
	}

	a.say("pods", "MODIFIED", somePod("web-0", "1", func(p *corev1.Pod) {
		p.Status.PodIPs = []corev1.PodIP{{IP: "10.1.0.7"}, {IP: "fd00::7"}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}))
	lines = append(lines, "shop/web-0 1 started=true")
	tells(lines...)
	if all := w.all(); len(all) != 1 || !reflect.DeepEqual(all[0].IPs, []string{"10.1.0.7", "fd00::7"}) || all[0].Facts.Namespace == nil {
		t.Errorf("all: %+v", all)
	}

	// A StatefulSet's next pod has the name of the one before, here while that
	// has not been heard to be gone.
	a.say("pods", "MODIFIED", somePod("web-0", "2"))
	lines = append(lines, "shop/web-0 1 is gone", "shop/web-0 2 started=false")
	tells(lines...)
	a.say("namespaces", "MODIFIED", someNamespace("shop", nil))
	eventually(t, "the namespace has no annotations", func() bool {
		p, _ := w.find(t.Context(), pods.ID{Namespace: "shop", Name: "web-0"})
		return p.Facts.Namespace != nil && len(p.Facts.Namespace) == 0
	})
	a.say("pods", "DELETED", somePod("web-0", "2"))
	tells(append(lines, "shop/web-0 2 is gone")...)
	if all := w.all(); len(all) != 0 {
		t.Errorf("all: %+v", all)
	}
}

// The pod and its namespace may be heard of after their plugin has asked.
func TestFindWaitsForAPodAndItsNamespace(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	w, _ := watchPods(t, a)
	a.watched()
	found := make(chan pod)
	go func() {
		p, _ := w.find(t.Context(), pods.ID{Namespace: "shop", Name: "web-0", UID: "2"})
		found <- p
	}()
	a.say("pods", "ADDED", somePod("web-0", "1")) // the one before it
	a.say("pods", "DELETED", somePod("web-0", "1"))
	a.say("pods", "ADDED", somePod("web-0", "2"))
	a.say("namespaces", "ADDED", someNamespace("shop", nil))
	if p := <-found; p.UID != "2" || p.Facts.Namespace == nil {
		t.Errorf("found %+v", p)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if p, ok := w.find(ctx, pods.ID{Namespace: "shop", Name: "web-0", UID: "3"}); ok || p.UID != "2" {
		t.Errorf("found %t %+v, want the one that there is", ok, p)
	}
	if p, ok := w.find(ctx, pods.ID{Namespace: "shop", Name: "web-1"}); ok || p.Name != "" {
		t.Errorf("found %t %+v", ok, p)
	}
}

func TestAPodThatTheWatchHasNotHeardOfIsFetched(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	w, _ := watchPods(t, a)
	a.watched()
	a.lock(func() {
		a.objects["pods"] = []any{somePod("web-0", "1")}
		a.objects["namespaces"] = []any{someNamespace("shop", map[string]string{"config.linkerd.io/proxy-uid": "7"})}
	})
	p, err := w.fetch(t.Context(), pods.ID{Namespace: "shop", Name: "web-0"})
	if err != nil || p.UID != "1" || p.Facts.Namespace["config.linkerd.io/proxy-uid"] != "7" {
		t.Errorf("fetched %+v (%v)", p, err)
	}
}

// The kubelet calls a static pod by another uid than its mirror in the API has.
func TestAStaticPodIsFoundByTheKubeletsUID(t *testing.T) {
	t.Parallel()
	mirror := newPod(stripPod(somePod("etcd", "api", func(p *corev1.Pod) { p.Annotations[corev1.MirrorPodAnnotationKey] = "hash" })))
	if !mirror.hasUID("hash") || !mirror.hasUID("api") || mirror.hasUID("other") || len(mirror.Facts.Annotations) != 2 {
		t.Errorf("%+v", mirror)
	}
}

func TestWhetherAnApplicationContainerHasEverStarted(t *testing.T) {
	t.Parallel()
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
	for _, tt := range []struct {
		name string
		app  corev1.ContainerStatus
		want bool
	}{
		{"waiting", corev1.ContainerStatus{State: waiting}, false},
		{"running", corev1.ContainerStatus{State: running}, true},
		{"ended", corev1.ContainerStatus{State: ended}, true},
		{"waiting after it ended", corev1.ContainerStatus{State: waiting, LastTerminationState: ended}, true},
		{"waiting after restarts whose states are lost", corev1.ContainerStatus{State: waiting, RestartCount: 1}, true},
	} {
		p := somePod("web", "1", func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: running}} // a native sidecar
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: waiting}, tt.app}
		})
		if got := newPod(stripPod(p)).Started; got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
