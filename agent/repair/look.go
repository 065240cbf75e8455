package repair

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"shunt/apply"
	"shunt/cni"
	"shunt/config"
	"shunt/netns"
	"shunt/redirect"
)

// lookTime bounds a look at a pod, and what is done about it.
const lookTime = 30 * time.Second

// look looks at a pod and does what is to be done.
func (r *Repairer) look(ctx context.Context, uid string) {
	e, known := r.pods.get(uid)
	if !known || e.settled() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	log := r.Log.With("pod", e.pod.String(), "uid", uid)
	if other, both := r.pods.other(e.pod); both {
		r.notLocated(ctx, e, fmt.Errorf("%w: %s", errShared, other), log)
		return
	}
	ns, place, err := r.Locator.Find(uid, e.pod.IPs)
	if err != nil {
		r.notLocated(ctx, e, err, log)
		return
	}
	defer ns.Close()
	cfg, err := Settings(r.Policy, e.pod, log)
	if err != nil {
		r.pods.change(uid, func(e *entry) { e.state = Unknown })
		r.tell(ctx, e.pod, Note{true, RepairFailed, "it is not known which rules the pod is to have: " + err.Error()})
		return
	}
	c, err := r.rules(ns, cfg, log).Compare(ctx)
	switch {
	case errors.Is(err, apply.ErrNotSupported):
		r.pods.change(uid, func(e *entry) { e.state = Unknown })
		r.noNftables(err)
		return
	case err != nil:
		r.pods.change(uid, func(e *entry) { e.state = Unknown })
		log.Warn("the pod's rules cannot be read", "netns", ns, "err", err)
		r.later(uid)
		return
	}
	found := find(c)
	state, act := decide(e.pod.Started, found, r.Mode, r.Evict)
	r.pods.change(uid, func(e *entry) { e.state, e.place = state, place })
	log.Debug("looked at a pod", "netns", ns, "state", string(state))
	if found == none && r.Unruled != nil {
		r.Unruled(e.pod)
	}
	switch act {
	case nothing:
		r.pods.change(uid, func(e *entry) { e.tries = 0 })
	case write:
		r.write(ctx, e, found, ns, log)
	case evict:
		r.evict(ctx, e, found, log)
	case tell:
		r.tell(ctx, e.pod, missing(e.pod, found))
	}
}

// Settings are those of a pod's rules. The agent has only the nftables backend.
func Settings(policy *cni.Policy, p Pod, log *slog.Logger) (config.Config, error) {
	cfg, warnings, err := policy.Config(p.ID, p.Facts)
	for _, w := range warnings {
		log.Debug(w)
	}
	cfg.Backend, cfg.IptablesMode = config.BackendNftables, config.ModeAuto
	return cfg, err
}

func (r *Repairer) rules(ns *netns.NS, cfg config.Config, log *slog.Logger) Rules {
	return r.open(ns, cfg, redirect.Options{Version: r.Version, Log: log, Secure: true, NoteLevel: slog.LevelDebug, Locks: r.Locks, MakeLocks: true})
}

// notLocated tries again, and tells people when that has not helped.
func (r *Repairer) notLocated(ctx context.Context, e entry, err error, log *slog.Logger) {
	r.metrics.lookups.Inc()
	r.pods.change(e.pod.UID, func(e *entry) { e.state = Unknown; e.tries++ })
	if e.tries < len(r.retries) {
		log.Debug("the pod's network namespace is not found, trying again", "err", err)
		r.queue.AddAfter(e.pod.UID, r.retries[e.tries])
		return
	}
	log.Warn("the pod's network namespace is not found", "err", err)
	r.tell(ctx, e.pod, notFound(err))
}

// noNftables says once that nothing can be done here.
func (r *Repairer) noNftables(err error) {
	if !r.blind {
		r.blind = true
		r.Log.Warn("pods are not looked at: the node's kernel has no nf_tables, and the agent has no iptables", "err", err)
		r.NoNftables(err)
	}
}

// later has a pod looked at again, ever later.
func (r *Repairer) later(uid string) {
	const first, most = 2 * time.Second, 2 * time.Minute
	r.pods.change(uid, func(e *entry) {
		r.queue.AddAfter(uid, min(first<<min(e.tries, 10), most))
		e.tries++
	})
}

// fresh returns the pod as the API server has it now, if it is still the one that
// was looked at, and in the same state; otherwise it sees to the pod as it is.
func (r *Repairer) fresh(ctx context.Context, e entry, log *slog.Logger) (Pod, error) {
	p, err := r.Cluster.Fresh(ctx, e.pod.ID)
	switch {
	case errors.Is(err, ErrGone):
		log.Info("the pod is gone, nothing was done", "err", err)
		r.Gone(e.pod.UID)
		return p, err
	case err != nil:
		log.Warn("nothing is done about the pod, since it cannot be told whether it is still there: trying again", "err", err)
		r.later(e.pod.UID)
		return p, err
	case !r.wants(p) || p.Started != e.pod.Started || !slices.Equal(p.IPs, e.pod.IPs):
		log.Info("the pod has changed, looking again")
		if _, known := r.pods.get(p.UID); known { // nor is it gone by now
			r.See(p)
		}
		return p, errChanged
	}
	return p, nil
}

// Why nothing is done about a pod.
var (
	ErrGone    = errors.New("there is no pod of this name and uid any more")
	ErrLater   = errors.New("not now")
	errChanged = errors.New("the pod has changed")
	errShared  = errors.New("another pod of the node has one of the pod's addresses")
)
