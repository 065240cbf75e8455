package agent

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"shunt/pods"
)

// pod is what the agent keeps of a pod of its node.
type pod struct {
	pods.ID
	Facts       pods.Facts // what matters of them
	IPs         []string   // status.podIPs
	HostNetwork bool
	Phase       corev1.PodPhase
	Started     bool      // a container of spec.containers runs, or has run
	Ending      bool      // it is being deleted
	Replaced    bool      // a controller makes a new one when it is gone
	Late        bool      // it was annotated as meshed after it was first heard of
	Accepted    time.Time // by the kubelet, before its network namespace is made
	static      string    // the uid by which the kubelet calls a static pod, whose mirror in the API this is
}

// hasUID reports whether the container runtime calls the pod by this uid. Where
// it says none, a pod that is being deleted is taken for an earlier one.
func (p pod) hasUID(uid string) bool {
	if uid == "" {
		return !p.Ending
	}
	return uid == p.UID || uid == p.static
}

// newPod takes from a pod what the agent keeps of it.
func newPod(p *corev1.Pod) pod {
	kept := pod{
		ID: pods.ID{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)},
		Facts: pods.Facts{UID: string(p.UID), Annotations: p.Annotations, Labels: orEmpty(p.Labels),
			Containers: names(p.Spec.Containers), InitContainers: names(p.Spec.InitContainers)}.Relevant(),
		HostNetwork: p.Spec.HostNetwork,
		Phase:       p.Status.Phase,
		Ending:      p.DeletionTimestamp != nil,
		static:      p.Annotations[corev1.MirrorPodAnnotationKey],
	}
	owner := metav1.GetControllerOf(p)
	kept.Replaced = owner != nil && owner.Kind != "Node" // whose static pods only the kubelet ends
	if p.Status.StartTime != nil {
		kept.Accepted = p.Status.StartTime.Time
	}
	for _, ip := range p.Status.PodIPs {
		kept.IPs = append(kept.IPs, ip.IP)
	}
	for _, c := range p.Status.ContainerStatuses {
		kept.Started = kept.Started || c.RestartCount > 0 || ran(c.State) || ran(c.LastTerminationState)
	}
	return kept
}

func ran(s corev1.ContainerState) bool { return s.Running != nil || s.Terminated != nil }

func names(containers []corev1.Container) []string {
	list := make([]string, 0, len(containers)) // known, also if there are none
	for _, c := range containers {
		list = append(list, c.Name)
	}
	return list
}

// orEmpty is for what is known: none is not unknown.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// podListener hears of the pods of the node, one after the other. Each function
// may be nil, and holds up those after it.
type podListener struct {
	is     func(pod) // it is new or has changed
	gone   func(pod) // as it was last; a pod of the same name may be there already
	synced func()    // those that were there have been told
}

// podWatch keeps the pods of the node and the annotations of namespaces, as the
// API server tells them.
type podWatch struct {
	pods, namespaces *part
	listeners        []podListener

	mu          sync.Mutex
	kube        *kube                           // nil before run
	byName      map[string]pod                  // by namespace/name; without their namespace's annotations
	annotations map[string]map[string]string    // what matters of a namespace's annotations
	known       struct{ pods, namespaces bool } // those that were there have all been told
	changed     chan struct{}                   // closed at the next change
}

func newPodWatch(log *slog.Logger, m *metrics) *podWatch {
	return &podWatch{
		pods:       &part{name: "pods", lost: "facts about pods, and the repair of those without rules", log: log, m: m},
		namespaces: &part{name: "namespaces", lost: "the annotations of namespaces", log: log, m: m},
		byName:     map[string]pod{}, annotations: map[string]map[string]string{}, changed: make(chan struct{})}
}

// listen has a listener called; before run.
func (w *podWatch) listen(l podListener) { w.listeners = append(w.listeners, l) }

// run follows a node's pods, and all namespaces, until the context ends.
func (w *podWatch) run(ctx context.Context, k *kube, node string) {
	w.change(func() { w.kube = k })
	go w.followNamespaces(ctx, k)
	lw := listWatch(k, k.core, "pods", "", "", fields.OneTermEqualSelector("spec.nodeName", node), func() *corev1.PodList { return &corev1.PodList{} })
	inform(ctx, w.pods, lw, &corev1.Pod{}, handler[*corev1.Pod]{
		strip: stripPod,
		is:    func(p *corev1.Pod) { w.see(newPod(p)) },
		gone:  func(p *corev1.Pod) { w.forget(newPod(p)) },
		synced: func() {
			w.change(func() { w.known.pods = true })
			w.release()
			for _, l := range w.listeners {
				if l.synced != nil {
					l.synced()
				}
			}
		},
	})
}

// release gives back the memory of the first lists: a server that does not stream
// them sends all that is stripped in one piece, more than is ever needed again.
func (w *podWatch) release() {
	w.mu.Lock()
	all := w.known.pods && w.known.namespaces
	w.mu.Unlock()
	if all {
		debug.FreeOSMemory()
	}
}

// stripPod leaves of a pod what newPod reads.
func stripPod(p *corev1.Pod) *corev1.Pod {
	relevant := pods.Facts{Annotations: p.Annotations, Labels: p.Labels}.Relevant()
	if mirror, is := p.Annotations[corev1.MirrorPodAnnotationKey]; is {
		relevant.Annotations[corev1.MirrorPodAnnotationKey] = mirror
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion,
			DeletionTimestamp: p.DeletionTimestamp, Annotations: relevant.Annotations, Labels: relevant.Labels, OwnerReferences: onlyController(p)},
		Spec:   corev1.PodSpec{HostNetwork: p.Spec.HostNetwork, Containers: onlyNames(p.Spec.Containers), InitContainers: onlyNames(p.Spec.InitContainers)},
		Status: corev1.PodStatus{Phase: p.Status.Phase, PodIPs: p.Status.PodIPs, StartTime: p.Status.StartTime, ContainerStatuses: onlyStates(p.Status.ContainerStatuses)},
	}
}

func onlyController(p *corev1.Pod) []metav1.OwnerReference {
	owner := metav1.GetControllerOfNoCopy(p)
	if owner == nil {
		return nil
	}
	return []metav1.OwnerReference{{Kind: owner.Kind, Controller: owner.Controller}}
}

func onlyNames(containers []corev1.Container) []corev1.Container {
	list := make([]corev1.Container, len(containers))
	for i, c := range containers {
		list[i].Name = c.Name
	}
	return list
}

func onlyStates(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	list := make([]corev1.ContainerStatus, len(statuses))
	for i, s := range statuses {
		list[i] = corev1.ContainerStatus{State: s.State, LastTerminationState: s.LastTerminationState, RestartCount: s.RestartCount}
	}
	return list
}

// followNamespaces keeps the annotations of namespaces: pods inherit some.
func (w *podWatch) followNamespaces(ctx context.Context, k *kube) {
	lw := listWatch(k, k.core, "namespaces", "", "", fields.Everything(), func() *corev1.NamespaceList { return &corev1.NamespaceList{} })
	inform(ctx, w.namespaces, lw, &corev1.Namespace{}, handler[*corev1.Namespace]{
		strip:  relevantOf,
		is:     func(n *corev1.Namespace) { w.change(func() { w.annotations[n.Name] = n.Annotations }) },
		gone:   func(n *corev1.Namespace) { w.change(func() { delete(w.annotations, n.Name) }) },
		synced: func() { w.change(func() { w.known.namespaces = true }); w.release() },
	})
}

// relevantOf leaves of a namespace what pods inherit.
func relevantOf(n *corev1.Namespace) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name, ResourceVersion: n.ResourceVersion,
		Annotations: pods.Facts{Namespace: n.Annotations}.Relevant().Namespace}}
}

// see keeps a pod and tells of it. One of the same name that it takes the place
// of is gone.
func (w *podWatch) see(p pod) {
	var before pod
	w.change(func() {
		before = w.byName[p.String()]
		p.Late = w.lateLocked(p)
		w.byName[p.String()] = p
	})
	if before.UID != "" && before.UID != p.UID {
		w.tellGone(before)
	}
	p = w.inNamespace(p)
	for _, l := range w.listeners {
		if l.is != nil {
			l.is(p)
		}
	}
}

// lateLocked reports whether a pod was annotated as meshed only after it was first
// heard of: its plugin was not told.
func (w *podWatch) lateLocked(p pod) bool {
	before := w.byName[p.String()]
	_, was := before.Facts.Annotations[pods.ProxyVersion]
	return before.UID == p.UID && (before.Late || !was)
}

func (w *podWatch) forget(p pod) {
	known := false
	w.change(func() {
		if known = w.byName[p.String()].UID == p.UID; known {
			delete(w.byName, p.String())
		}
	})
	if known {
		w.tellGone(p)
	}
}

func (w *podWatch) tellGone(p pod) {
	p = w.inNamespace(p)
	for _, l := range w.listeners {
		if l.gone != nil {
			l.gone(p)
		}
	}
}

// changes returns a channel that is closed at the next change.
func (w *podWatch) changes() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// change runs f with what is kept, and wakes who waits for it.
func (w *podWatch) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// inNamespace returns the pod with what its namespace's annotations say, as far
// as that is known.
func (w *podWatch) inNamespace(p pod) pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.inNamespaceLocked(p)
}

func (w *podWatch) inNamespaceLocked(p pod) pod {
	if a, ok := w.annotations[p.Namespace]; ok {
		p.Facts.Namespace = orEmpty(a)
	}
	return p
}

// synced reports whether the pods of the node are known, also if the API server
// has gone away since.
func (w *podWatch) synced() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known.pods
}

// all returns the pods of the node, in no order.
func (w *podWatch) all() []pod {
	var list []pod
	w.each(func(p pod) { list = append(list, p) })
	return list
}

// each calls f with the pods of the node, in no order. It returns before a listener
// hears that one of them is gone; so f must not wait for anything.
func (w *podWatch) each(f func(pod)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.byName {
		f(w.inNamespaceLocked(p))
	}
}

// now returns the pod of this name, and whether it is the one with this uid and
// all that there is to know about it is known; changed is closed when that may be
// otherwise.
func (w *podWatch) now(id pods.ID) (p pod, ok bool, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok = w.byName[id.String()]
	p = w.inNamespaceLocked(p)
	return p, ok && p.hasUID(id.UID) && (p.Facts.Namespace != nil || w.namespaces.denied()), w.changed
}

// find is as now, and waits for the pod until the context ends.
func (w *podWatch) find(ctx context.Context, id pods.ID) (pod, bool) {
	for {
		p, ok, changed := w.now(id)
		if ok {
			return p, true
		}
		select {
		case <-ctx.Done():
			return p, false
		case <-changed:
		}
	}
}

// fetch asks the API server for a pod itself, for when the watch lags.
func (w *podWatch) fetch(ctx context.Context, id pods.ID) (pod, error) {
	w.mu.Lock()
	k := w.kube
	w.mu.Unlock()
	if k == nil {
		return pod{}, errNoAPI
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	found, err := k.pod(ctx, id.Namespace, id.Name)
	if err != nil {
		return pod{}, err
	}
	p := w.inNamespace(newPod(found))
	w.mu.Lock()
	p.Late = w.lateLocked(p)
	w.mu.Unlock()
	if p.Facts.Namespace == nil {
		if n, err := k.namespace(ctx, id.Namespace); err == nil {
			p.Facts.Namespace = orEmpty(relevantOf(n).Annotations)
		}
	}
	return p, nil
}

// fetchTimeout bounds that question: a plugin waits for the answer.
const fetchTimeout = 2 * time.Second
