package repair

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"

	"shunt/apply"
	"shunt/cni"
	"shunt/config"
	"shunt/netns"
	"shunt/pods"
	"shunt/redirect"
)

// Mode says what is done about a pod without rules whose application has not
// started.
type Mode string

// The modes.
const (
	InPlace Mode = "in-place" // its rules are written
	Report  Mode = "report"   // people are told
	Off     Mode = "off"      // nobody looks
)

// Pod is what is known about a pod of the node.
type Pod struct {
	pods.ID
	Facts       pods.Facts
	IPs         []netip.Addr // status.podIPs
	HostNetwork bool
	Over        bool      // it has ended, or is being deleted
	Started     bool      // an application's container runs or has run
	Accepted    time.Time // by the kubelet, before it made the network namespace; zero: not known
	Late        bool      // it was annotated as meshed after it was first heard of
	Replaced    bool      // something makes a new one in its place
}

// Cluster is what is asked of the API server, each time with a bound.
type Cluster interface {
	// Fresh returns the pod as it is now. The error wraps ErrGone if there is
	// none of this uid.
	Fresh(context.Context, pods.ID) (Pod, error)
	// Evict asks for the eviction of exactly this pod. The error wraps ErrGone
	// if there is none, or ErrLater if not now, because of a disruption budget.
	Evict(context.Context, pods.ID) error
	// Tell writes an Event about the pod, or does not: that stops nothing.
	Tell(context.Context, pods.ID, Note)
}

// Note is an Event about a pod.
type Note struct {
	Warning      bool
	Reason, Text string
}

// Rules are what is used of redirect.Rules.
type Rules interface {
	Apply(context.Context) (apply.Result, error)
	Compare(context.Context) (apply.Comparison, error)
}

// Config says how to work.
type Config struct {
	Policy  *cni.Policy // of the plugin's entry
	Mode    Mode
	Evict   bool // pods that run without rules
	Locator *Locator
	Cluster Cluster
	Version string // of the program; rules say who wrote them
	Locks   string // the folder of the node's locks; "": redirect.LockFolder
	Log     *slog.Logger
	Metrics prometheus.Registerer

	// NoNftables is called, once, if the kernel has no nf_tables, so that
	// nothing can be seen or repaired; Unruled, if a pod has no rules at all that
	// was accepted when the plugin may have been chained already.
	NoNftables func(error)
	Unruled    func(Pod)

	// For tests.
	open    func(*netns.NS, config.Config, redirect.Options) Rules
	retries []time.Duration
}

// Repairer looks after the pods of a node.
type Repairer struct {
	Config
	metrics *metrics
	queue   workqueue.TypedDelayingInterface[string] // of uids
	pods    table
	limiter Limiter
	blind   bool // the kernel has no nf_tables
}

// New returns a repairer. It is an error if the rules of this policy cannot be
// read by the agent, which has no iptables.
func New(c Config) (*Repairer, error) {
	if c.Policy.Simulates() {
		return nil, fmt.Errorf("the plugin's entry says simulate: no pod is to have rules")
	}
	cfg, _, err := c.Policy.Config(pods.ID{}, pods.Facts{})
	if err != nil {
		return nil, err
	}
	if backend, _, _ := cfg.ResolveBackend(); backend == config.BackendIptables {
		return nil, fmt.Errorf("the plugin's entry asks for iptables, which the agent's image does not have")
	}
	if c.open == nil {
		c.open = func(ns *netns.NS, cfg config.Config, o redirect.Options) Rules { return redirect.Open(ns, cfg, o) }
	}
	if c.retries == nil {
		c.retries = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second}
	}
	r := &Repairer{Config: c, queue: workqueue.NewTypedDelayingQueue[string](), pods: table{pods: map[string]*entry{}, claims: map[string]Pod{}}}
	r.metrics = newMetrics(c.Metrics, &r.pods)
	return r, nil
}

// See says that a pod is there or has changed; it is looked at soon.
func (r *Repairer) See(p Pod) {
	r.pods.claim(p)
	if !r.wants(p) {
		r.pods.drop(p.UID)
		return
	}
	r.pods.put(p)
	r.queue.Add(p.UID)
}

// Gone says that a pod is no longer there.
func (r *Repairer) Gone(uid string) {
	r.pods.release(uid)
	r.pods.drop(uid)
}

// wants reports whether a pod is to have rules, and can be looked at.
func (r *Repairer) wants(p Pod) bool {
	return p.UID != "" && len(p.IPs) > 0 && !p.HostNetwork && !p.Over && r.Policy.Decide(p.ID, p.Facts) == cni.Meshed
}

// Run looks at pods, one after the other, until the context ends.
func (r *Repairer) Run(ctx context.Context) {
	stop := context.AfterFunc(ctx, r.queue.ShutDown)
	defer stop()
	for {
		uid, ended := r.queue.Get()
		if ended {
			return
		}
		r.look(ctx, uid)
		r.queue.Done(uid)
	}
}
