// Package pods says who a pod is: whether it is meshed, and whether it belongs
// to Linkerd's control plane. It decides from facts that others have found, and
// asks nobody.
package pods

import (
	"slices"
	"strings"

	"shunt/config"
)

// The names of Linkerd's containers in a meshed pod (linkerd2, pkg/k8s/labels.go).
const (
	ProxyContainer = "linkerd-proxy" // an init container too, as a native sidecar
	InitContainer  = "linkerd-init"  // writes the rules where there is no CNI plugin
)

// What Linkerd writes on pods (linkerd2, pkg/k8s/labels.go and charts/partials).
const (
	// ProxyVersion is on every pod that the injector gave a proxy, and on those
	// of the control plane. config.linkerd.io/proxy-version is something else:
	// the version that a pod asks for.
	ProxyVersion = "linkerd.io/proxy-version"
	// ControlPlaneComponent labels the control plane's pods.
	ControlPlaneComponent = "linkerd.io/control-plane-component"

	createdBy   = "linkerd.io/created-by"
	safeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
)

// AnnotationsCapability is the capability by which a container runtime passes a
// pod's annotations to the CNI plugins that declare it: containerd's name for it
// (from 1.5), and CRI-O's (ocicni, RuntimeConfig.PodAnnotations; from 1.29).
const AnnotationsCapability = "io.kubernetes.cri.pod-annotations"

// ID names a pod. The UID tells it from an earlier pod of the same name (a
// StatefulSet's); it is empty where it is not known.
type ID struct {
	Namespace, Name, UID string
}

// String returns namespace/name, "none" for no pod.
func (id ID) String() string {
	if id.Name == "" {
		return "none"
	}
	return id.Namespace + "/" + id.Name
}

// Facts are what decides about a pod. A source gives those that it knows: a
// container runtime the annotations, the node agent all of them.
type Facts struct {
	UID            string            `json:"uid,omitempty"`
	Annotations    map[string]string `json:"annotations,omitempty"`
	Labels         map[string]string `json:"labels,omitzero"`               // nil: not known
	Namespace      map[string]string `json:"namespaceAnnotations,omitzero"` // its namespace's annotations; nil: not known
	Containers     []string          `json:"containers,omitzero"`           // names; nil: not known, nor are the init containers
	InitContainers []string          `json:"initContainers,omitempty"`
}

// Meshed reports whether the pod's rules are for the CNI plugin to write: it
// has a proxy, and no init container that writes them. Where the containers are
// not known, the annotation tells that there is a proxy, and nothing can tell
// whether there is an init container.
func (f Facts) Meshed() bool {
	if f.Containers == nil {
		_, meshed := f.Annotations[ProxyVersion]
		return meshed
	}
	proxy := slices.Contains(f.Containers, ProxyContainer) || slices.Contains(f.InitContainers, ProxyContainer)
	return proxy && !slices.Contains(f.InitContainers, InitContainer)
}

// ControlPlane reports whether the pod, in this namespace, belongs to the
// control plane: by its label or, where labels are not known, because the
// namespace is one of the control plane's.
func (f Facts) ControlPlane(namespace string, namespaces []string) bool {
	if f.Labels == nil {
		return slices.Contains(namespaces, namespace)
	}
	return f.Labels[ControlPlaneComponent] != ""
}

// Relevant returns a copy without the annotations and labels on which neither
// the rules nor this package's decisions depend, for those who keep the facts of
// many pods. What is known stays known, and the copy shares no map.
func (f Facts) Relevant() Facts {
	annotations := []string{ProxyVersion, createdBy, safeToEvict}
	var inherited []string // by pods from their namespace
	for _, s := range config.Settings() {
		if s.Annotation == "" {
			continue
		}
		annotations = append(annotations, s.Annotation)
		if !s.PodOnly {
			inherited = append(inherited, s.Annotation)
		}
	}
	f.Annotations = only(f.Annotations, annotations)
	f.Labels = only(f.Labels, []string{ControlPlaneComponent})
	f.Namespace = only(f.Namespace, inherited)
	return f
}

// only returns a copy of a map with these keys alone; nil stays nil.
func only(from map[string]string, keys []string) map[string]string {
	if from == nil {
		return nil
	}
	to := map[string]string{}
	for _, key := range keys {
		if value, ok := from[key]; ok {
			to[key] = value
		}
	}
	return to
}

// LooksLikeControlPlane reports whether the annotations are those that the
// control plane's templates give its pods, for where labels are not known. The
// injector writes its own name in created-by; linkerd inject --manual writes
// linkerd/cli, as linkerd install does, but no safe-to-evict.
func (f Facts) LooksLikeControlPlane() bool {
	by := f.Annotations[createdBy]
	_, evict := f.Annotations[safeToEvict]
	return strings.HasPrefix(by, "linkerd/helm ") || strings.HasPrefix(by, "linkerd/cli ") && evict
}
