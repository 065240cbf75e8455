package lint

import (
	"slices"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// workload is a workload, and what several rules ask about it.
type workload struct {
	*manifest.Object
	in     manifest.Injection
	config *config.Config // what its pods get; annotations that are wrong do not count
}

// facts returns what is known about a workload.
func (l *linter) facts(o *manifest.Object) *workload {
	w := l.workloads[o]
	if w == nil {
		w = &workload{Object: o, in: l.set.Injection(o)}
		w.config = l.merged(config.Standard(), podPlace(o), l.set.NamespaceOf(o))
		l.workloads[o] = w
	}
	return w
}

// podPlace returns where the annotations of a workload's pods are.
func podPlace(o *manifest.Object) *place {
	return &place{o, o.Pod.AnnotationsPath, o.Pod.Annotations, onPod}
}

// selecting returns the objects of a list that are in a workload's namespace
// and select its pods, in order.
func selecting(list *index, w *manifest.Object, selects func(*manifest.Object) bool) []*manifest.Object {
	var found []*manifest.Object
	for _, i := range list.candidates(w) {
		if o := list.objects[i]; selects(o) {
			found = append(found, o)
		}
	}
	return found
}

// index finds objects by a label that they select, so that not every object is
// compared with every workload.
type index struct {
	objects []*manifest.Object
	by      map[string][]int // "namespace\nkey=value", or the namespace for those that name no label
}

// add notes an object that selects only pods with a label, "key=value"; empty:
// it names none.
func (x *index) add(o *manifest.Object, label string) {
	if x.by == nil {
		x.by = map[string][]int{}
	}
	key := o.InNamespace() + "\n" + label
	x.by[key] = append(x.by[key], len(x.objects))
	x.objects = append(x.objects, o)
}

// candidates returns the objects that may select a workload's pods, in order.
func (x *index) candidates(w *manifest.Object) []int {
	namespace := w.InNamespace() + "\n"
	found := slices.Clone(x.by[namespace])
	for key, label := range w.Pod.Labels {
		found = append(found, x.by[namespace+key+"="+label.Value]...)
	}
	slices.Sort(found)
	return found
}

// read notes what the rules look up.
func (l *linter) read() {
	for _, o := range l.set.Objects {
		switch {
		case o.Policy != nil:
			l.policies.add(o, o.Policy.Label())
		case o.Service != nil:
			l.services.add(o, o.Service.Label())
			l.readService(o)
		case o.Server != nil:
			l.servers.add(o, o.Server.Label())
		}
	}
	for _, o := range l.set.Others {
		switch o.Kind {
		case "EgressNetwork":
			l.egressNetworks = true
		case "Endpoints":
			l.endpoints[o.InNamespace()+"/"+o.Name] = true
		case "EndpointSlice": // k8s.io/api/discovery/v1, LabelServiceName
			l.endpoints[o.InNamespace()+"/"+o.Labels["kubernetes.io/service-name"].Value] = true
		}
	}
}

// servicesOf returns the Services that lead to a workload.
func (l *linter) servicesOf(w *manifest.Object) []*manifest.Object {
	return selecting(&l.services, w, func(o *manifest.Object) bool { return o.Service.Selects(w.Pod.Labels) })
}

// policiesOf returns the policies about a workload.
func (l *linter) policiesOf(w *manifest.Object) []*manifest.Object {
	return selecting(&l.policies, w, func(o *manifest.Object) bool { return o.Policy.Selects(w.Pod.Labels) })
}

// serversOf returns the Servers of Linkerd's policies that declare the protocol
// of one of a workload's ports.
func (l *linter) serversOf(w *manifest.Object) []*manifest.Object {
	return selecting(&l.servers, w, func(o *manifest.Object) bool {
		protocol := o.Server.Protocol
		return protocol != "" && protocol != "unknown" && o.Server.Selects(w.Pod.Labels)
	})
}

// opaqueProtocol is a Server's proxyProtocol for an opaque port.
const opaqueProtocol = "opaque"

// podOpaque reports whether a workload's port is opaque for the server's proxy,
// and whether something says so: a Server, or an annotation. Otherwise it is by
// default.
func (l *linter) podOpaque(w *manifest.Object, port uint16) (opaque, says bool) {
	for _, s := range l.serversOf(w) {
		if s.Server.Port(w.Pod) == port {
			return s.Server.Protocol == opaqueProtocol, true
		}
	}
	if a, in := l.set.Annotation(w, pods.Opaque); in != nil {
		list, _ := podPlace(w).opaque(a.Value)
		return list.Contains(port), true
	}
	return l.release.OpaquePorts().Contains(port), false
}

// opaqueOf returns a workload's opaque ports. Those that are opaque by default
// count where the pod exposes them, or says nothing about what it exposes.
func (l *linter) opaqueOf(w *manifest.Object) config.PortSet {
	list, exposed := l.release.OpaquePorts(), w.Pod.Ports()
	if a, in := l.set.Annotation(w, pods.Opaque); in != nil {
		list, _ = podPlace(w).opaque(a.Value)
	} else if len(exposed) > 0 {
		list = overlap(list, exposed)
	}
	for _, s := range l.serversOf(w) {
		port := set(s.Server.Port(w.Pod))
		if list = without(list, port); s.Server.Protocol == opaqueProtocol {
			list = list.Union(port)
		}
	}
	return list
}

// serviceOpaque is podOpaque for the clients of a Service, which leads from its
// port to a workload's: by appProtocol, by its annotation or that of its
// namespace.
func (l *linter) serviceOpaque(s *manifest.Object, port *manifest.ServicePort) (opaque, says bool) {
	if port.Protocol != "" && l.release >= throughInbound { // a04b83a4a, edge-25.2.2
		return port.Protocol != "http" && port.Protocol != "kubernetes.io/h2c", true
	}
	a, ok := s.Annotations[pods.Opaque]
	if ns := l.set.NamespaceOf(s); !ok && ns != nil {
		a, ok = ns.Annotations[pods.Opaque]
	}
	if !ok {
		return l.release.OpaquePorts().Contains(port.Number), false
	}
	list, _ := (&place{Object: s}).opaque(a.Value)
	return list.Contains(port.Number), true
}
