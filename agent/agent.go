package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"shunt/agent/install"
)

// Config says what the agent does.
type Config struct {
	Install     install.Config
	Kube        *rest.Config // nil: there is no API server to talk to
	Node        string       // "": that of the agent's own pod
	Namespace   string       // the agent's
	DaemonSet   string       // "": the owner of the agent's own pod
	OnTerm      OnTerm
	Repair      Repair
	HealthAddr  string // "": none
	MetricsAddr string // "": none
	Version     string
	Idle        string // why there is nothing to install here; "" if there is
	RunDir      string // the node's folder for the socket; "": facts.Folder
	NoFacts     string // why plugins get no facts about pods; "" if they do
}

// firstRuntime is how long the first look at the node waits for the API server
// to say which container runtime it has.
const firstRuntime = 3 * time.Second

// agent is a running one.
type agent struct {
	cfg       Config
	log       *slog.Logger
	metrics   *metrics
	health    health
	installer *install.Installer
	owner     owner
	again     chan struct{} // look at the node now
	known     func()        // the container runtime is known
	watch     *podWatch
	facts     *factServer // nil: plugins get none

	mu     sync.Mutex
	events *events // nil until the node's name is known
	node   string
	last   said
	loaded loaded
}

// Run installs and watches until the context ends, and then decides whether
// the plugin stays. An error is one of that end: what happens before is logged,
// told and tried again.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	a := &agent{cfg: cfg, log: log, metrics: newMetrics(cfg.Version), again: make(chan struct{}, 1)}
	a.watch = newPodWatch(log, a.metrics)
	a.health.reason = "starting"
	a.installer = install.New(cfg.Install, log)
	runtime := make(chan struct{})
	a.known = sync.OnceFunc(func() { close(runtime) })
	var k *kube
	if cfg.Kube != nil {
		var err error
		if k, err = newKube(cfg.Kube); err != nil { // installing does not need it
			log.Warn("the API server is not talked to", "err", err)
			a.cfg.Kube = nil
		}
	}

	// The watches outlive the signal, since the end depends on what they say.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	defer func() { stop(); wait.Wait() }()
	if cfg.Idle == "" {
		a.prepareFacts()
	}
	wait.Go(func() { serve(background, log, "health", cfg.HealthAddr, a.health.handler()) })
	wait.Go(func() { serve(background, log, "metrics", cfg.MetricsAddr, metricsHandler(a.metrics.registry)) })
	if cfg.Idle != "" {
		log.Warn("nothing to do here: idle", "reason", cfg.Idle)
		a.health.ready()
		<-ctx.Done()
		return nil
	}
	log.Info("started", "version", cfg.Version, "netDir", cfg.Install.NetDir, "binDir", cfg.Install.BinDir,
		"mode", string(cfg.Install.Mode), "plugin", cfg.Install.Entry.Type)
	if a.facts != nil {
		wait.Go(func() { a.facts.run(background) })
	}
	if k == nil {
		log.Warn("no API server: the plugin is installed and kept, without Events, facts and repairs, and stays when the agent ends")
		a.known()
	} else {
		go a.talk(background, k) // not waited for: see inform
	}
	select {
	case <-runtime:
	case <-ctx.Done():
	case <-time.After(firstRuntime):
		log.Warn("the API server has not said yet which container runtime this is: going on without")
	}
	a.installer.Watch(ctx, a.again, a.report)
	return a.end()
}

// talk does what needs the API server, once the node's name is known.
func (a *agent) talk(ctx context.Context, k *kube) {
	self := &part{name: "pod", lost: "the names of node and DaemonSet", log: a.log, m: a.metrics}
	if !until(ctx, self, func(ctx context.Context) error { return a.findSelf(ctx, k) }) {
		return
	}
	e := newEvents(k, "shunt-agent", a.cfg.Node, a.log, a.metrics)
	a.mu.Lock()
	a.events, a.node = e, a.cfg.Node
	a.mu.Unlock()
	a.nudge() // what is to tell, is told now
	go e.run(ctx)
	go a.watchNode(ctx, k)
	a.startRepair(ctx, a.watch, e)
	if len(a.watch.listeners) > 0 {
		go a.watch.run(ctx, k, a.cfg.Node)
	}
	if a.cfg.OnTerm == OnTermAuto && a.cfg.DaemonSet != "" {
		go a.watchDaemonSet(ctx, k)
	}
}

// findSelf finds out what was not said: the node and the DaemonSet are those
// of this pod, whose name is the host name, unless the pod has the node's
// network: then that is the node's.
func (a *agent) findSelf(ctx context.Context, k *kube) error {
	if a.cfg.Node != "" && (a.cfg.DaemonSet != "" || a.cfg.OnTerm != OnTermAuto) {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	pod, err := k.pod(ctx, a.cfg.Namespace, host)
	switch {
	case (apierrors.IsNotFound(err) || notAllowed(err)) && a.cfg.Node != "":
		return nil // without the DaemonSet
	case apierrors.IsNotFound(err):
		a.cfg.Node = host
		return nil
	case err != nil:
		return fmt.Errorf("find the agent's own pod %s/%s: %w", a.cfg.Namespace, host, err)
	}
	if a.cfg.Node == "" {
		a.cfg.Node = pod.Spec.NodeName
	}
	if owner := metav1.GetControllerOf(pod); a.cfg.DaemonSet == "" && owner != nil && owner.Kind == "DaemonSet" {
		a.cfg.DaemonSet = owner.Name
	}
	return nil
}

// watchNode follows the node: its container runtime and its labels.
func (a *agent) watchNode(ctx context.Context, k *kube) {
	lost := &part{name: "node", lost: "the container runtime's version: it is taken for one that passes annotations and reads no drop-ins", log: a.log, m: a.metrics}
	lw := listWatch(k, k.core, "nodes", "", "", fields.OneTermEqualSelector("metadata.name", a.cfg.Node), func() *corev1.NodeList { return &corev1.NodeList{} })
	inform(ctx, lost, lw, &corev1.Node{}, handler[*corev1.Node]{
		strip: func(n *corev1.Node) *corev1.Node {
			return &corev1.Node{
				ObjectMeta: metav1.ObjectMeta{Name: n.Name, ResourceVersion: n.ResourceVersion, Labels: n.Labels},
				Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{ContainerRuntimeVersion: n.Status.NodeInfo.ContainerRuntimeVersion}},
			}
		},
		is: func(n *corev1.Node) {
			a.foresee(func() { a.owner.setNode(n) })
			if a.installer.SetRuntime(install.Runtime(n.Status.NodeInfo.ContainerRuntimeVersion)) {
				a.log.Info("the container runtime is known", "runtime", n.Status.NodeInfo.ContainerRuntimeVersion)
				a.nudge()
			}
			a.known()
		},
		gone: func(*corev1.Node) {}, // its pods go with it, the agent's among them
	})
}

// watchDaemonSet follows the agent's own DaemonSet. The watch is opened now,
// because in an uninstallation the permission may go first.
func (a *agent) watchDaemonSet(ctx context.Context, k *kube) {
	lost := &part{name: "daemonset", log: a.log, m: a.metrics,
		lost: "taking the plugin out when the DaemonSet is deleted: use shunt-agent uninstall on the node, or --on-term revert"}
	lw := listWatch(k, k.apps, "daemonsets", a.cfg.Namespace, "", fields.OneTermEqualSelector("metadata.name", a.cfg.DaemonSet), func() *appsv1.DaemonSetList { return &appsv1.DaemonSetList{} })
	inform(ctx, lost, lw, &appsv1.DaemonSet{}, handler[*appsv1.DaemonSet]{
		strip: func(d *appsv1.DaemonSet) *appsv1.DaemonSet {
			spec := corev1.PodSpec{NodeSelector: d.Spec.Template.Spec.NodeSelector, Affinity: d.Spec.Template.Spec.Affinity}
			return &appsv1.DaemonSet{
				ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name, ResourceVersion: d.ResourceVersion, DeletionTimestamp: d.DeletionTimestamp},
				Spec:       appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: spec}},
			}
		},
		is:   func(d *appsv1.DaemonSet) { a.foresee(func() { a.owner.daemonSet(d) }) },
		gone: func(*appsv1.DaemonSet) { a.foresee(func() { a.owner.daemonSet(nil) }) },
	})
}

// foresee records what a watch says, by calling update, and logs it if that
// changes what will happen to the plugin when the agent ends.
func (a *agent) foresee(update func()) {
	before, _ := a.owner.ends(a.cfg.OnTerm)
	update()
	if now, why := a.owner.ends(a.cfg.OnTerm); now != before {
		a.log.Info("what happens to the plugin when the agent ends has changed", "leaves", now, "reason", why)
	}
}

func (a *agent) nudge() {
	select {
	case a.again <- struct{}{}:
	default: // it will look anyway
	}
}

// end decides whether the plugin leaves the node.
func (a *agent) end() error {
	unlink, why := a.owner.ends(a.cfg.OnTerm)
	if !unlink {
		a.log.Info("ending: the plugin stays on the node", "reason", why)
		return nil
	}
	changes, err := a.installer.Uninstall(false, true)
	install.Log(a.log, install.Status{Changes: changes})
	switch {
	case errors.Is(err, install.ErrNotInstalled), errors.Is(err, install.ErrNewer):
		a.log.Info("ending: the plugin stays as it is", "reason", err)
		return nil
	case err != nil:
		return err
	}
	a.log.Info("ending: the plugin is no longer chained; its binary stays for pods that are torn down", "reason", why)
	return nil
}

// nodeRef is the node as Events name it. The uid is the node's name, as the
// kubelet has it: kubectl describe node looks for that.
func nodeRef(name string) corev1.ObjectReference {
	return corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: name, UID: types.UID(name)}
}
