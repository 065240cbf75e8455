package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// api stands in for an API server: it lists and watches objects by their path,
// takes Events and deletions, and answers as a test wants it to.
type api struct {
	*httptest.Server
	testing.TB

	mu      sync.Mutex
	objects map[string][]any // by resource: nodes, daemonsets, pods, namespaces
	asked   []string         // paths and selectors of lists and watches
	watches map[string][]chan any
	events  []eventsv1.Event
	patches []string
	deleted []string
	evicted []string
	status  map[string]int // the answer to a resource, 0: as it should be
	slow    map[string]bool
	done    chan struct{}
}

func newAPI(t testing.TB) *api {
	a := &api{TB: t, objects: map[string][]any{}, watches: map[string][]chan any{}, status: map[string]int{}, slow: map[string]bool{}, done: make(chan struct{})}
	a.Server = httptest.NewServer(a)
	t.Cleanup(func() {
		close(a.done)
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

func (a *api) config() *rest.Config { return &rest.Config{Host: a.URL} }

// lock runs f with the server's state.
func (a *api) lock(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// resource is the kind of thing that a path is about.
func resource(path string) string {
	for _, r := range []string{"events", "nodes", "daemonsets", "pods", "namespaces"} {
		if strings.Contains(path, "/"+r) {
			return r
		}
	}
	return path
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := resource(r.URL.Path)
	a.mu.Lock()
	status, slow := a.status[kind], a.slow[kind]
	a.asked = append(a.asked, r.URL.Path+" "+r.URL.Query().Get("fieldSelector"))
	a.mu.Unlock()
	if slow {
		select {
		case <-r.Context().Done():
		case <-a.done: // the server notices no client that went before its body was read
		}
		return
	}
	if status != 0 {
		fail(w, status)
		return
	}
	switch query := r.URL.Query(); {
	case query.Get("sendInitialEvents") != "":
		fail(w, http.StatusUnprocessableEntity) // an older server
	case query.Get("watch") != "":
		a.watch(w, r, kind)
	case strings.HasSuffix(r.URL.Path, "/eviction"):
		var e policyv1.Eviction
		a.read(r, &e)
		a.lock(func() {
			a.evicted = append(a.evicted, r.URL.Path+" "+e.APIVersion+" "+string(*e.DeleteOptions.Preconditions.UID))
		})
		answer(w, metav1.Status{Status: "Success"})
	case r.Method == http.MethodPost:
		var ev eventsv1.Event
		a.read(r, &ev)
		a.lock(func() { a.events = append(a.events, ev) })
		answer(w, ev)
	case r.Method == http.MethodPatch:
		body, _ := io.ReadAll(r.Body)
		a.lock(func() { a.patches = append(a.patches, string(body)) })
		answer(w, eventsv1.Event{})
	case r.Method == http.MethodDelete:
		var o metav1.DeleteOptions
		a.read(r, &o)
		a.lock(func() { a.deleted = append(a.deleted, r.URL.Path+" "+string(*o.Preconditions.UID)) })
		answer(w, metav1.Status{Status: "Success"})
	default:
		a.get(w, r, kind)
	}
}

func (a *api) read(r *http.Request, into any) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		a.Errorf("%s %s: %v", r.Method, r.URL, err)
	}
}

// get answers a list, or a single object by its name.
func (a *api) get(w http.ResponseWriter, r *http.Request, kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !strings.HasSuffix(r.URL.Path, "/"+kind) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		for _, o := range a.objects[kind] {
			if o.(metav1.Object).GetName() == name {
				answer(w, o)
				return
			}
		}
		fail(w, http.StatusNotFound)
		return
	}
	items := append([]any{}, a.objects[kind]...)
	types := map[string][2]string{"nodes": {"NodeList", "v1"}, "pods": {"PodList", "v1"}, "namespaces": {"NamespaceList", "v1"}, "daemonsets": {"DaemonSetList", "apps/v1"}}[kind]
	answer(w, map[string]any{"kind": types[0], "apiVersion": types[1], "metadata": map[string]any{"resourceVersion": "1"}, "items": items})
}

// watch sends what a test puts in.
func (a *api) watch(w http.ResponseWriter, r *http.Request, kind string) {
	events := make(chan any, 16)
	a.lock(func() { a.watches[kind] = append(a.watches[kind], events) })
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e, ok := <-events:
			if !ok {
				return
			}
			_ = json.NewEncoder(w).Encode(e)
			w.(http.Flusher).Flush()
		}
	}
}

// say sends an event to the watches of a resource.
func (a *api) say(kind, typ string, object any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.watches[kind] {
		c <- map[string]any{"type": typ, "object": object}
	}
}

// cut ends the watches of a resource.
func (a *api) cut(kind string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.watches[kind] {
		close(c)
	}
	a.watches[kind] = nil
}

func answer(w http.ResponseWriter, o any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(o)
}

func fail(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure(status))
}

func failure(status int) metav1.Status {
	reasons := map[int]metav1.StatusReason{401: metav1.StatusReasonUnauthorized, 403: metav1.StatusReasonForbidden, 404: metav1.StatusReasonNotFound,
		409: metav1.StatusReasonConflict, 410: metav1.StatusReasonExpired, 422: metav1.StatusReasonInvalid}
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: int32(status), Reason: reasons[status], Message: fmt.Sprint("status ", status)}
}

// node and daemonSet are objects for tests.
func node(runtime string, labels map[string]string) *corev1.Node {
	return &corev1.Node{TypeMeta: metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: "node1", ResourceVersion: "2", Labels: labels},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{ContainerRuntimeVersion: runtime}}}
}

func daemonSet(change ...func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
	d := &appsv1.DaemonSet{TypeMeta: metav1.TypeMeta{Kind: "DaemonSet", APIVersion: "apps/v1"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "linkerd-cni", Name: "linkerd-cni", ResourceVersion: "2"}}
	for _, f := range change {
		f(d)
	}
	return d
}

// eventually waits for something that has to become true; the limit only ends
// a test that fails.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			var stacks strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Fatalf("it never came about that %s\n%s", what, &stacks)
		}
	}
}
