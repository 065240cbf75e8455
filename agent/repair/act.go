package repair

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"shunt/netns"
)

// write brings the rules to a pod whose application has not started.
func (r *Repairer) write(ctx context.Context, e entry, f finding, ns *netns.NS, log *slog.Logger) {
	r.tell(ctx, e.pod, repairing(f))
	p, err := r.fresh(ctx, e, log)
	if err != nil {
		if errors.Is(err, ErrGone) {
			r.metrics.repairs.WithLabelValues(gone).Inc()
		}
		return
	}
	cfg, err := Settings(r.Policy, p, log)
	if err == nil {
		_, err = r.rules(ns, cfg, log).Apply(ctx) // which verifies
	}
	if err != nil {
		r.metrics.repairs.WithLabelValues(failed).Inc()
		log.Warn("the pod's rules were not written", "netns", ns, "err", err)
		r.tell(ctx, p, Note{true, RepairFailed, "the pod's rules were not written, trying again: " + err.Error()})
		r.later(p.UID)
		return
	}
	r.metrics.repairs.WithLabelValues(done).Inc()
	r.metrics.seconds.Observe(time.Since(e.since).Seconds())
	r.pods.change(p.UID, func(e *entry) { e.state, e.tries = Ruled, 0 })
	log.Info("repaired a pod in place", "netns", ns)
	r.tell(ctx, p, Note{false, RulesRepaired, "the pod's rules were written and verified, before its application started"})
}

// evict has a pod evicted that runs without rules, as fast as the limit allows.
func (r *Repairer) evict(ctx context.Context, e entry, f finding, log *slog.Logger) {
	if !e.pod.Replaced {
		note := missing(e.pod, f)
		note.Text += "; it is not evicted, since nothing would make a new one"
		r.tell(ctx, e.pod, note)
		return
	}
	if !r.limiter.Allow(time.Now()) {
		r.tell(ctx, e.pod, missing(e.pod, f)) // it can take long
		r.queue.AddAfter(e.pod.UID, limitEvery)
		return
	}
	p, err := r.fresh(ctx, e, log)
	if err != nil {
		if errors.Is(err, ErrGone) {
			r.metrics.evictions.WithLabelValues(gone).Inc()
		}
		return
	}
	r.tell(ctx, p, Note{true, EvictedForRules, describe(f) + ": evicting it, so that its owner makes a new one"})
	switch err := r.Cluster.Evict(ctx, p.ID); {
	case err == nil:
		r.metrics.evictions.WithLabelValues(done).Inc()
		log.Info("evicted a pod without rules")
	case errors.Is(err, ErrGone):
		r.metrics.evictions.WithLabelValues(gone).Inc()
		log.Info("the pod is gone, nothing was evicted", "err", err)
	case errors.Is(err, ErrLater):
		r.metrics.evictions.WithLabelValues(later).Inc()
		log.Info("the pod is not evicted now", "err", err)
		r.later(p.UID)
	default:
		r.metrics.evictions.WithLabelValues(failed).Inc()
		log.Warn("a pod without rules was not evicted", "err", err)
		r.later(p.UID)
	}
}
