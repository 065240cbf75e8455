package repair

import (
	"context"
	"errors"
	"fmt"
)

// The reasons of Events about pods.
const (
	RulesMissing    = "RulesMissing"
	RulesRepaired   = "RulesRepaired"
	RepairFailed    = "RepairFailed"
	NetnsNotFound   = "NetnsNotFound"
	EvictedForRules = "EvictedForRules"
)

// tell writes an Event, unless it says what the last one about the pod said.
func (r *Repairer) tell(ctx context.Context, p Pod, n Note) {
	if e, known := r.pods.get(p.UID); known && e.told == n {
		return
	}
	r.pods.change(p.UID, func(e *entry) { e.told = n })
	r.Cluster.Tell(ctx, p.ID, n)
}

// describe says what a pod's network namespace holds.
func describe(f finding) string {
	if f == none {
		return "the pod has no redirect rules, so its connections do not go through the proxy"
	}
	return "the pod's redirect rules are incomplete or not those of its configuration: some of its connections may not go through the proxy"
}

// repairing tells that a pod's rules are about to be written.
func repairing(f finding) Note {
	return Note{true, RulesMissing, describe(f) + ": writing them now, as its application has not started"}
}

// missing tells that a pod has no rules, and what people can do.
func missing(p Pod, f finding) Note {
	what := "delete it, so that a new one gets them"
	if p.Started {
		what += fmt.Sprintf("; or, which resets its connections: shunt-agent pod %s repair --force, in the agent of its node", p)
	} else {
		what += fmt.Sprintf("; or: shunt-agent pod %s repair, in the agent of its node", p)
	}
	return Note{true, RulesMissing, describe(f) + ": " + what}
}

// notFound tells that nothing could be looked at, and what people can do.
func notFound(err error) Note {
	what := "if it runs without rules, delete it, so that a new one gets them"
	if errors.Is(err, ErrNotFound) {
		what += "; if the runtime keeps network namespaces elsewhere, say where by --netns-dir (in the chart: shunt.netnsDir)"
	}
	return Note{true, NetnsNotFound, "it is not known whether the pod has its rules: " + err.Error() + "; nothing was touched: " + what}
}
