package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"shunt/agent/install"
	"shunt/agent/repair"
	"shunt/cni"
	"shunt/config"
	"shunt/netns"
	"shunt/pods"
	"shunt/redirect"
)

// PodConfig says where to look for a pod of this node.
type PodConfig struct {
	Kube     *rest.Config // nil: there is no API server to talk to
	Entry    install.Entry
	Locator  *repair.Locator
	Snapshot string // the folder of pods.json, for when the API server does not answer
	Version  string
	Locks    string // see redirect.Options
	Log      *slog.Logger
}

// NodePod is a pod of this node, with its network namespace open.
type NodePod struct {
	repair.Pod
	Decision cni.Decision
	NS       *netns.NS
	Rules    *redirect.Rules // those that the plugin would write; of a pod that is not meshed: none in particular
}

// Close lets go of the pod's namespace.
func (p *NodePod) Close() { _ = p.NS.Close() }

// OpenPod finds a pod by its name and opens its network namespace.
func OpenPod(ctx context.Context, cfg PodConfig, id pods.ID) (*NodePod, error) {
	policy, err := cni.ParsePolicy(cfg.Entry.JSON)
	if err != nil {
		return nil, err
	}
	p, err := cfg.find(ctx, id)
	if err != nil {
		return nil, err
	}
	switch {
	case p.HostNetwork:
		return nil, fmt.Errorf("pod %s has the node's network, and no rules of its own", p)
	case p.Over:
		return nil, fmt.Errorf("pod %s has ended or is being deleted", p)
	case len(p.IPs) == 0:
		return nil, fmt.Errorf("pod %s has no address yet: it has not started, or is not on this node", p)
	}
	out := &NodePod{Pod: p, Decision: policy.Decide(p.ID, p.Facts)}
	settings := config.CNIAbsent()
	if out.Decision == cni.Meshed {
		if settings, err = repair.Settings(policy, p, cfg.Log); err != nil {
			return nil, fmt.Errorf("pod %s: %w", p, err)
		}
	}
	ns, _, err := cfg.Locator.Find(p.UID, p.IPs)
	if err != nil {
		return nil, fmt.Errorf("find the network namespace of pod %s: %w: is it on this node?", p, err)
	}
	out.NS = ns
	out.Rules = redirect.Open(ns, settings, redirect.Options{Version: cfg.Version, Log: cfg.Log, Secure: true,
		NoteLevel: slog.LevelDebug, Locks: cfg.Locks, MakeLocks: true})
	return out, nil
}

// find asks the API server for the pod or, where that does not answer, the file in
// which the agent keeps what it knew last.
func (cfg *PodConfig) find(ctx context.Context, id pods.ID) (repair.Pod, error) {
	err := errNoAPI
	if cfg.Kube != nil {
		var k *kube
		if k, err = newKube(cfg.Kube); err != nil {
			return repair.Pod{}, err
		}
		w := newPodWatch(cfg.Log, newMetrics(""))
		w.kube = k
		var p pod
		p, err = w.fetch(ctx, id)
		switch {
		case err == nil:
			return toRepair(p), nil
		case apierrors.IsNotFound(err):
			return repair.Pod{}, fmt.Errorf("there is no pod %s", id)
		case notAllowed(err):
			return repair.Pod{}, fmt.Errorf("read pod %s: %w", id, err)
		}
	}
	byName, written, serr := readSnapshot(cfg.Snapshot + "/" + snapshotFile)
	if serr != nil {
		return repair.Pod{}, fmt.Errorf("read pod %s: %w; nor is there what the agent knew last: %w", id, err, serr)
	}
	p, known := byName[id.String()]
	if !known {
		return repair.Pod{}, fmt.Errorf("read pod %s: %w; and the agent did not know it %s ago", id, err, time.Since(written).Round(time.Second))
	}
	cfg.Log.Warn("the API server does not answer: the pod is taken as the agent knew it last", "ago", time.Since(written).Round(time.Second), "err", err)
	return toRepair(p), nil
}

// ErrRuns is wrapped by the error of a Repair of a pod whose application has
// started.
var ErrRuns = errors.New("its application has started, and writing rules resets its connections")

// Repair writes the pod's rules, also those of one that runs if that is forced. It
// reports whether anything had to be changed.
func (p *NodePod) Repair(ctx context.Context, force bool) (changed bool, err error) {
	if p.Started && !force {
		c, err := p.Rules.Compare(ctx)
		if err != nil || c.Equal() {
			return false, err
		}
		return false, fmt.Errorf("pod %s: %w", p, ErrRuns)
	}
	res, err := p.Rules.Apply(ctx)
	return res.Changed, err
}
