package agent

import (
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// OnTerm says what becomes of the plugin when the agent is told to end.
type OnTerm string

// What it can be.
const (
	// OnTermAuto takes the plugin out if the agent's DaemonSet is being deleted
	// or no longer selects this node, as far as the agent was allowed to see
	// that. In an upgrade, a drain or a crash the plugin stays.
	OnTermAuto   OnTerm = "auto"
	OnTermRevert OnTerm = "revert" // take it out always
	OnTermKeep   OnTerm = "keep"   // leave it always
)

// owner is what the watches last said of the DaemonSet and the node. What
// cannot be seen any more stays as it was seen.
type owner struct {
	mu      sync.Mutex
	seen    bool // the DaemonSet was there
	deleted bool
	spec    *corev1.PodSpec
	node    *corev1.Node
}

// daemonSet records the DaemonSet as the watch last saw it; nil means deleted.
func (o *owner) daemonSet(ds *appsv1.DaemonSet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ds == nil {
		o.deleted = true
		return
	}
	o.seen, o.deleted, o.spec = true, ds.DeletionTimestamp != nil, &ds.Spec.Template.Spec
}

func (o *owner) setNode(n *corev1.Node) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.node = n
}

// ends decides whether the plugin leaves the node now, and says why.
func (o *owner) ends(mode OnTerm) (unlink bool, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case mode == OnTermRevert:
		return true, "asked for"
	case mode == OnTermKeep:
		return false, "asked for"
	case !o.seen:
		return false, "the agent could not see whether its DaemonSet is being deleted"
	case o.deleted:
		return true, "the DaemonSet is deleted"
	case o.node != nil && !selects(o.spec, o.node):
		return true, "the DaemonSet no longer selects this node"
	}
	return false, "the DaemonSet is still there"
}

// selects reports whether a pod of this kind belongs on the node, by its node
// selector and its required node affinity, as the DaemonSet controller decides
// it. Taints are not looked at: a node that is tainted keeps its plugin. A term
// that is not understood selects.
func selects(spec *corev1.PodSpec, node *corev1.Node) bool {
	if !labels.SelectorFromSet(spec.NodeSelector).Matches(labels.Set(node.Labels)) {
		return false
	}
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil || spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return true
	}
	for _, term := range spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		if len(term.MatchExpressions)+len(term.MatchFields) > 0 &&
			matches(term.MatchExpressions, labels.Set(node.Labels)) &&
			matches(term.MatchFields, labels.Set(fields.Set{"metadata.name": node.Name})) {
			return true
		}
	}
	return false
}

func matches(list []corev1.NodeSelectorRequirement, set labels.Set) bool {
	operators := map[corev1.NodeSelectorOperator]selection.Operator{
		corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn,
		corev1.NodeSelectorOpExists: selection.Exists, corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist,
		corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
	}
	for _, r := range list {
		requirement, err := labels.NewRequirement(r.Key, operators[r.Operator], r.Values)
		if err == nil && !requirement.Matches(set) {
			return false
		}
	}
	return true
}
