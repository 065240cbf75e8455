package agent

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"shunt/agent/repair"
	"shunt/cni"
	"shunt/pods"
)

// Repair says what is done about pods that started without rules.
type Repair struct {
	Mode  repair.Mode // "": off
	Evict bool        // those that run
	Netns string      // the folder of pods' network namespaces
	Proc  string      // "", or the node's /proc: see repair.Locator
	Locks string      // see repair.Config
}

// reasonNoNftables is that of the Event on a node where no pod can be looked at.
const reasonNoNftables = "NoNftables"

// startRepair has the pods that the watch knows looked after, if that is asked for
// and possible. It is called before the watch runs.
func (a *agent) startRepair(ctx context.Context, w *podWatch, e *events) {
	off := a.metrics.off.WithLabelValues("repair")
	off.Set(0)
	if mode := a.cfg.Repair.Mode; mode == "" || mode == repair.Off {
		return
	}
	r, err := a.newRepairer(w, e)
	if err != nil {
		off.Set(1)
		a.log.Warn("pods that started without rules are neither repaired nor reported", "err", err)
		return
	}
	w.listen(podListener{is: func(p pod) { r.See(toRepair(p)) }, gone: func(p pod) { r.Gone(p.UID) }})
	go func() {
		w.waitUntilKnown(ctx)
		w.each(func(p pod) { r.See(toRepair(p)) }) // with what their namespaces say
		r.Run(ctx)
	}()
}

func (a *agent) newRepairer(w *podWatch, e *events) (*repair.Repairer, error) {
	cfg := a.cfg.Repair
	if err := repair.Able(cfg.Netns, cfg.Proc); err != nil {
		return nil, err
	}
	policy, err := cni.ParsePolicy(a.cfg.Install.Entry.JSON)
	if err != nil {
		return nil, err
	}
	return repair.New(repair.Config{
		Policy: policy, Mode: cfg.Mode, Evict: cfg.Evict, Locator: &repair.Locator{Folder: cfg.Netns, Proc: cfg.Proc},
		Cluster: cluster{w, e}, Version: a.cfg.Version, Locks: cfg.Locks, Log: a.log, Metrics: a.metrics.registry, Unruled: a.notLoaded,
		NoNftables: func(err error) {
			e.later(event{regarding: nodeRef(a.cfg.Node), warning: true, reason: reasonNoNftables, action: "Repairing",
				note: fmt.Sprintf("pods that started without rules are neither repaired nor reported: the agent needs nf_tables in the node's kernel: %v", err)})
		},
	})
}

// toRepair returns what the repair has to know of a pod.
func toRepair(p pod) repair.Pod {
	out := repair.Pod{ID: p.ID, Facts: p.Facts, HostNetwork: p.HostNetwork, Started: p.Started, Late: p.Late, Replaced: p.Replaced, Accepted: p.Accepted,
		Over: p.Ending || p.Phase == corev1.PodSucceeded || p.Phase == corev1.PodFailed}
	for _, text := range p.IPs {
		if ip, err := netip.ParseAddr(text); err == nil {
			out.IPs = append(out.IPs, ip.Unmap())
		}
	}
	return out
}

// cluster is the API server, for the repair.
type cluster struct {
	watch  *podWatch
	events *events
}

func (c cluster) Fresh(ctx context.Context, id pods.ID) (repair.Pod, error) {
	p, err := c.watch.fetch(ctx, id)
	switch {
	case apierrors.IsNotFound(err):
		return repair.Pod{}, fmt.Errorf("%w: %w", repair.ErrGone, err)
	case err != nil:
		return repair.Pod{}, err
	case p.UID != id.UID:
		return repair.Pod{}, fmt.Errorf("%w: it has the uid %s now", repair.ErrGone, p.UID)
	}
	return toRepair(p), nil
}

func (c cluster) Evict(ctx context.Context, id pods.ID) error {
	err := c.watch.kube.evict(ctx, id)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return fmt.Errorf("%w: %w", repair.ErrGone, err)
	case apierrors.IsTooManyRequests(err):
		return fmt.Errorf("%w: %w", repair.ErrLater, err)
	}
	return err
}

func (c cluster) Tell(ctx context.Context, id pods.ID, n repair.Note) {
	c.events.send(ctx, event{
		regarding: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: id.Namespace, Name: id.Name, UID: types.UID(id.UID)},
		warning:   n.Warning, reason: n.Reason, action: "Repairing", note: n.Text,
	})
}

// waitUntilKnown waits until all pods of the node and the annotations of namespaces
// are known, or, where they cannot be had, a moment.
func (w *podWatch) waitUntilKnown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		w.mu.Lock()
		known, changed := w.known, w.changed
		w.mu.Unlock()
		if known.pods && (known.namespaces || w.namespaces.denied()) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
