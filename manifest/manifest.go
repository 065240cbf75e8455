// Package manifest reads Kubernetes manifests: only the fields that decide
// whether a pod gets a proxy, and which of its connections are redirected. It
// says which workloads are injected, why the others are not, and which
// configuration each one gets. It never contacts a cluster.
package manifest

import (
	"strings"

	"shunt/config"
)

// Set is what the files hold, in their order.
type Set struct {
	Files   []string // that were read
	Objects []*Object
	Others  []*Object // of other kinds, without a pod template: only their metadata is known
	Broken  []*Broken // what could not be read
	Ignores []Comment // that silence a finding of lint

	// AssumeInjected means that a Namespace that is not in the files asks for a
	// proxy. Otherwise, nothing is assumed.
	AssumeInjected bool

	// NeedTokens means that the injector leaves out pods without a service
	// account token, as it does where it mounts no token of its own
	// (identity.serviceAccountTokenProjection).
	NeedTokens bool

	namespaces map[string]*Object // by their names
}

// Comment is the text after "# shunt-lint:ignore " in a file.
type Comment struct {
	File  string
	Line  int // its own
	Above int // the next line that is not a comment
	Text  string
}

// Object is a Pod, something that makes pods, a Namespace, a Service, a
// NetworkPolicy, or a Server of Linkerd's policies.
type Object struct {
	File string // as it was given; "standard input" for that
	Line int    // in File, of the object's first key; 0 if it is not known

	Group                 string // of its API; empty: the core, or it is not known
	Kind, Namespace, Name string
	Labels, Annotations   Texts

	Pod     *Pod     // of a workload
	PodPath string   // where that is in the object: "spec.template", "" in a Pod
	Part    string   // of an object with several pod templates, the path of this one
	Policy  *Policy  // of a NetworkPolicy
	Service *Service // of a Service
	Server  *Server  // of a Server of Linkerd's policies
	Values  []Values // of what installs a chart
}

// String names the object as people write it: "Deployment shop/web".
func (o *Object) String() string {
	text := o.Kind + " without a name"
	switch {
	case o.Name == "":
	case o.Namespace != "":
		text = o.Kind + " " + o.Namespace + "/" + o.Name
	default:
		text = o.Kind + " " + o.Name
	}
	if o.Part != "" {
		text += " (" + o.Part + ")"
	}
	return text
}

// FromValues reports whether the object's pods are those of a chart that it
// installs, of which nothing is known but annotations in the values.
func (o *Object) FromValues() bool {
	return o.Pod != nil && !strings.HasSuffix(o.Pod.AnnotationsPath, "metadata.annotations")
}

// InNamespace returns the namespace in which the object ends up: its own, or
// that which kubectl takes when it names none and nothing else is configured.
func (o *Object) InNamespace() string {
	if o.Namespace == "" {
		return "default"
	}
	return o.Namespace
}

// Texts are an object's labels or annotations by their keys.
type Texts map[string]Text

// Text is the value of one label or annotation, and its line in the file.
type Text struct {
	Value string
	Line  int
}

// Values returns the labels or annotations as Kubernetes has them.
func (t Texts) Values() map[string]string {
	values := make(map[string]string, len(t))
	for key, text := range t {
		values[key] = text.Value
	}
	return values
}

// Pod is a pod, or the template of one.
type Pod struct {
	Labels, Annotations Texts
	AnnotationsPath     string // "spec.template.metadata.annotations"

	HostNetwork bool
	NoToken     bool // automountServiceAccountToken: false
	Containers  []Container
}

// Container is one of a pod's containers.
type Container struct {
	Name, Image string
	Init        bool // an init container
	Sidecar     bool // an init container with restartPolicy Always, a native sidecar
	Ports       []ContainerPort

	Command, Args []string
	Env           []Variable
	PodIP         []string // the environment variables that hold the pod's address
}

// Variable is an environment variable whose value the manifest has.
type Variable struct {
	Name  string
	Value Text
}

// ContainerPort is a TCP port that a container says it listens on.
type ContainerPort struct {
	Name   string
	Number uint16
}

// Ports returns the TCP ports that the pod's containers expose.
func (p *Pod) Ports() config.PortSet {
	var all config.PortSet
	for _, c := range p.Containers {
		for _, port := range c.Ports {
			all = all.Union(config.PortSet{{First: port.Number, Last: port.Number}})
		}
	}
	return all
}

// PortNamed returns the container port of that name.
func (p *Pod) PortNamed(name string) (uint16, bool) {
	for _, c := range p.Containers {
		for _, port := range c.Ports {
			if port.Name == name {
				return port.Number, true
			}
		}
	}
	return 0, false
}

// NamespaceOf returns the Namespace object that o is in, nil if no file has it.
func (s *Set) NamespaceOf(o *Object) *Object { return s.namespaces[o.InNamespace()] }

// Workloads returns the objects that are pods or make them.
func (s *Set) Workloads() []*Object {
	var out []*Object
	for _, o := range s.Objects {
		if o.Pod != nil {
			out = append(out, o)
		}
	}
	return out
}

// Annotation returns the annotation that a workload's pods have, and the object
// that it is in: the workload, or its namespace, from which pods inherit.
func (s *Set) Annotation(w *Object, key string) (a Text, in *Object) {
	if a, ok := w.Pod.Annotations[key]; ok {
		return a, w
	}
	if ns := s.NamespaceOf(w); ns != nil {
		if a, ok := ns.Annotations[key]; ok {
			return a, ns
		}
	}
	return a, nil
}
