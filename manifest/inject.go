package manifest

import (
	"strconv"
	"strings"

	"shunt/pods"
)

// The annotation that asks for a proxy, its values, and a namespace's label
// that keeps Linkerd's webhooks away.
const (
	injectKey      = "linkerd.io/inject"
	injectEnabled  = "enabled"
	injectDisabled = "disabled"
	injectIngress  = "ingress"
	webhooksKey    = "config.linkerd.io/admission-webhooks"
)

// Injection says whether a workload's pods get a proxy.
type Injection struct {
	Injected  bool
	Requested bool     // an annotation asks for it, whether or not it happens
	ByPod     bool     // that of the pods, not only their namespace's
	Unknown   bool     // the Namespace is not in the files, and the pods say nothing
	Why       string   // what asks for it
	Not       []string // why it does not happen
}

// Injection says whether Linkerd gives the workload's pods a proxy, by the
// rules of its injector (linkerd2, pkg/inject/report.go) and its webhook's
// selectors (charts/linkerd-control-plane/values.yaml, proxyInjector). A pod that
// has the proxy's container already is injected. Of a Namespace that is not in the set, nothing is assumed unless the set says so.
func (s *Set) Injection(w *Object) Injection {
	ns := s.NamespaceOf(w)
	if ns == nil {
		ns = &Object{}
	}
	in := Injection{}
	in.Why, in.Requested = requested(w, ns)
	in.ByPod = asks(w.Pod.Annotations[injectKey].Value)
	in.Unknown = ns.Kind == "" && w.Pod.Annotations[injectKey].Value == "" && w.Pod.Proxy() == nil
	if s.AssumeInjected && in.Unknown {
		in.Why, in.Requested = "Namespace "+w.InNamespace()+", which is not in the files, is assumed to ask for it", true
	}
	name, sidecar := w.InNamespace(), ""
	if c := w.Pod.container(isSidecar); c != nil {
		sidecar = c.Name
	}
	label := ""
	for _, key := range []string{pods.ControlPlaneComponent, "linkerd.io/cni-resource"} {
		if _, has := w.Pod.Labels[key]; has {
			label = key
		}
	}
	for _, not := range []struct {
		when bool
		why  string
	}{
		{!in.Requested, in.Why},
		{w.Pod.HostNetwork, "hostNetwork is true, so its rules would be the node's"},
		{sidecar != "", "a sidecar is there already: container " + sidecar},
		{w.Pod.NoToken && s.NeedTokens, "automountServiceAccountToken is false, and the injector mounts no token of its own (identity.serviceAccountTokenProjection)"},
		{name == "kube-system" || name == "cert-manager", "Linkerd's webhook leaves out Namespace " + name},
		{ns.Labels[webhooksKey].Value == injectDisabled, "label " + webhooksKey + " is disabled (Namespace " + name + ")"},
		{label != "", "Linkerd's webhook leaves out pods with the label " + label},
	} {
		if not.when {
			in.Not = append(in.Not, not.why)
		}
	}
	in.Injected = len(in.Not) == 0
	if w.Pod.Proxy() != nil { // the rules need a network of the pod's own
		in.Why, in.Injected = "it has the container "+pods.ProxyContainer, !w.Pod.HostNetwork
	}
	return in
}

// requested looks at the annotation of the pod and of its namespace. Where the
// namespace asks, only "disabled" on the pod is against it; a value that
// Linkerd does not know, on either, is a refusal, and an empty one is none.
func requested(w, ns *Object) (why string, ok bool) {
	pod, space := w.Pod.Annotations[injectKey].Value, ns.Annotations[injectKey].Value
	const wants = ": want enabled, ingress or disabled"
	switch {
	case space != "" && space != injectDisabled && !asks(space):
		return says(space, "namespace", wants), false
	case pod != "" && pod != injectDisabled && !asks(pod):
		return says(pod, "pod", wants), false
	case pod != "":
		return says(pod, "pod", ""), asks(pod)
	case space != "":
		return says(space, "namespace", ""), asks(space)
	case ns.Kind == "":
		return "no annotation " + injectKey + " on the pod, and Namespace " + w.InNamespace() + " is not in the files", false
	}
	return "no annotation " + injectKey + " on the pod or its namespace", false
}

func says(value, on, more string) string {
	return injectKey + " is " + strconv.Quote(value) + " (" + on + " annotation)" + more
}

func asks(value string) bool { return value == injectEnabled || value == injectIngress }

// isSidecar reports whether a container keeps the injector from adding another
// proxy (linkerd2, pkg/healthcheck/sidecar.go).
func isSidecar(c *Container) bool {
	switch c.Name {
	case "istio-proxy":
		return true
	case pods.InitContainer, "istio-init":
		if c.Init {
			return true
		}
	}
	image, _, _ := strings.Cut(c.Image, ":")
	switch image {
	case "cr.l5d.io/linkerd/proxy", "gcr.io/istio-release/proxyv2":
		return true
	case "cr.l5d.io/linkerd/proxy-init", "gcr.io/istio-release/proxy_init":
		return c.Init
	}
	return false
}

func (p *Pod) container(is func(*Container) bool) *Container {
	for i := range p.Containers {
		if is(&p.Containers[i]) {
			return &p.Containers[i]
		}
	}
	return nil
}

// Proxy returns the proxy's container, nil if the pod has none yet.
func (p *Pod) Proxy() *Container {
	return p.container(func(c *Container) bool { return c.Name == pods.ProxyContainer })
}
