package agent

import (
	"fmt"
	"time"

	"shunt/agent/install"
	"shunt/agent/repair"
	"shunt/pods"
)

// loaded watches whether the container runtime loads what is chained: pods that are
// made from then on have rules.
type loaded struct {
	since  time.Time // the plugin has been chained as it is now; zero: it is not
	mode   install.Mode
	missed map[string]bool // pods, by uid, that were made since and have no rules
}

// How long after it was chained a runtime may take to load the plugin, and how many
// pods have to have missed it before the mode is changed: one can have lost its
// rules in another way.
const (
	loadTime   = 10 * time.Second
	mostMissed = 2
)

// chained records the outcome of a look at the node.
func (l *loaded) chained(r install.Report, now time.Time) {
	switch {
	case r.Err != nil || r.State != install.Linked:
		*l = loaded{}
	case l.since.IsZero() || l.mode != r.Mode || len(r.Changes) > 0:
		*l = loaded{since: now, mode: r.Mode, missed: map[string]bool{}}
	}
}

// miss records a pod without rules. It returns how many there are that the plugin
// should have been called for, if this is a new one of them, otherwise 0.
func (l *loaded) miss(p repair.Pod) int {
	_, told := p.Facts.Annotations[pods.ProxyVersion] // by the runtime, so it is not for want of facts
	if l.since.IsZero() || !told || p.Late || p.Accepted.Before(l.since.Add(loadTime)) || l.missed[p.UID] || len(l.missed) >= mostMissed {
		return 0
	}
	l.missed[p.UID] = true
	return len(l.missed)
}

// notLoaded hears of a pod that has no rules at all. If the runtime should have
// called the plugin for it, people are told; if it happens again, the plugin is
// chained in the other way, once.
func (a *agent) notLoaded(p repair.Pod) {
	a.mu.Lock()
	missed, mode := a.loaded.miss(p), a.loaded.mode
	a.mu.Unlock()
	switch missed {
	case 1:
		a.log.Warn("a pod was made after the plugin was chained, and has no rules: does the container runtime load the plugin?", "pod", p.String(), "mode", string(mode))
		a.events.later(event{regarding: nodeRef(a.node), warning: true, reason: reasonNotLoaded, action: "Chaining",
			note: fmt.Sprintf("pod %s was made after the plugin was chained (mode %s), and has no rules: the container runtime seems not to load the plugin; "+
				"see its log, and whether it reads another folder of network configurations", p, mode)})
	case mostMissed:
		if mode == install.Dropin && a.installer.IgnoresDropins() {
			a.log.Warn("the container runtime does not load the drop-in: chaining the plugin in the network's own file")
			a.nudge()
		}
	}
}
