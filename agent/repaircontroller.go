package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"shunt/agent/repair"
)

// RepairControllerName is the name of Linkerd's program that RunRepairController
// takes the place of.
const RepairControllerName = "linkerd-cni-repair-controller"

// What Linkerd's own looks for: its network validator ends with the number of
// EOPNOTSUPP where a connection is not redirected, because the pod started
// before the plugin was chained.
const (
	validatorContainer = "linkerd-network-validator"
	validatorFailed    = 95
	meshedLabel        = "linkerd.io/control-plane-ns"
	reasonDeleting     = "LinkerdCNINotConfigured"
)

// RepairConfig says where the repair controller works.
type RepairConfig struct {
	Kube      *rest.Config
	Node, Pod string
	AdminAddr string
}

// repairs deletes the pods of a node that started without rules.
type repairs struct {
	kube   *kube
	node   string
	log    *slog.Logger
	events *events
	m      *metrics

	deleted prometheus.Counter
	errors  prometheus.Counter

	mu      sync.Mutex
	broken  map[types.UID]*corev1.Pod
	limiter repair.Limiter
	wake    chan struct{}
}

// RunRepairController does what Linkerd's repair controller does, from where
// that runs: a container that sees only the API. A pod of the node whose
// network validator found no redirection is deleted, so that its owner creates a
// new one: after an Event, only if it is still the same pod, and not many at once.
func RunRepairController(ctx context.Context, cfg RepairConfig, log *slog.Logger) error {
	k, err := newKube(cfg.Kube)
	if err != nil {
		return err
	}
	r := newRepairs(k, cfg, log)
	h := &health{reason: "the pods of the node are not known yet"} // alive: nothing that could get stuck
	mux := h.handler()
	mux.Handle("GET /metrics", metricsHandler(r.m.registry))
	var wait sync.WaitGroup
	defer wait.Wait()
	wait.Go(func() { serve(ctx, log, "admin", cfg.AdminAddr, http.Handler(mux)) })
	wait.Go(func() { r.run(ctx) })
	watching := &part{name: "pods", lost: "the repair of pods", log: log, m: r.m}
	r.watch(ctx, watching, h.ready)
	return nil
}

func newRepairs(k *kube, cfg RepairConfig, log *slog.Logger) *repairs {
	m := newMetrics("")
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "linkerd_cni_repair_controller", Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	return &repairs{
		kube: k, node: cfg.Node, log: log, m: m,
		events:  newEvents(k, RepairControllerName, cfg.Pod, log, m),
		deleted: counter("pods_deleted_total", "Pods that were deleted."),
		errors:  counter("pods_delete_errors_total", "Deletions that failed."),
		broken:  map[types.UID]*corev1.Pod{}, wake: make(chan struct{}, 1),
	}
}

// watch follows the meshed pods of the node.
func (r *repairs) watch(ctx context.Context, p *part, ready func()) {
	lw := listWatch(r.kube, r.kube.core, "pods", "", meshedLabel, fields.OneTermEqualSelector("spec.nodeName", r.node), func() *corev1.PodList { return &corev1.PodList{} })
	inform(ctx, p, lw, &corev1.Pod{}, handler[*corev1.Pod]{
		strip: func(pod *corev1.Pod) *corev1.Pod {
			return &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
					ResourceVersion: pod.ResourceVersion, DeletionTimestamp: pod.DeletionTimestamp},
				Status: corev1.PodStatus{InitContainerStatuses: pod.Status.InitContainerStatuses},
			}
		},
		synced: ready,
		is:     r.see,
		gone:   func(pod *corev1.Pod) { r.set(pod, false) },
	})
}

func (r *repairs) see(pod *corev1.Pod) {
	r.set(pod, pod.DeletionTimestamp == nil && validatorSaysNo(pod))
}

func (r *repairs) set(pod *corev1.Pod, broken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !broken {
		delete(r.broken, pod.UID)
		return
	}
	r.broken[pod.UID] = pod
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

// validatorSaysNo reports whether the pod's network validator ended, now or
// the last time, because a connection was not redirected.
func validatorSaysNo(pod *corev1.Pod) bool {
	for _, c := range pod.Status.InitContainerStatuses {
		if c.Name != validatorContainer {
			continue
		}
		for _, t := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if t != nil {
				return t.ExitCode == validatorFailed
			}
		}
	}
	return false
}

// run deletes what is broken, as fast as the limit allows.
func (r *repairs) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
		}
		for {
			pod := r.next(time.Now())
			if pod == nil {
				break
			}
			r.repair(ctx, pod)
		}
	}
}

// next takes a pod that may be deleted now.
func (r *repairs) next(now time.Time) *corev1.Pod {
	r.mu.Lock()
	defer r.mu.Unlock()
	for uid, pod := range r.broken {
		if !r.limiter.Allow(now) {
			return nil
		}
		delete(r.broken, uid) // a deletion that fails: the pod's next crash brings it again
		return pod
	}
	return nil
}

func (r *repairs) repair(ctx context.Context, pod *corev1.Pod) {
	r.events.send(ctx, event{
		regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		reason:    reasonDeleting, action: "Deleting",
		note: fmt.Sprintf("deleting the pod, because it was started on node %s before the CNI plugin was chained and has no rules: its owner will create a new one", r.node),
	})
	err := r.kube.core.Delete().Timeout(requestTimeout).Namespace(pod.Namespace).Resource("pods").Name(pod.Name).
		Body(&metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}).Do(ctx).Error()
	switch {
	case err == nil:
		r.deleted.Inc()
		r.log.Info("deleted a pod without rules", "pod", pod.Namespace+"/"+pod.Name)
	case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
		r.log.Info("the pod is gone already", "pod", pod.Namespace+"/"+pod.Name)
	default:
		r.errors.Inc()
		r.log.Warn("a pod without rules was not deleted", "pod", pod.Namespace+"/"+pod.Name, "err", err)
	}
}
