package lint

import (
	"iter"
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

	servers []*manifest.Object // that declare the protocol of one of its ports
}

// facts returns what is known about a workload.
func (l *linter) facts(o *manifest.Object) *workload {
	w := l.workloads[o]
	if w == nil {
		w = &workload{Object: o, in: l.set.Injection(o)}
		w.config = l.merged(config.Standard(), podPlace(o), l.set.NamespaceOf(o))
		w.servers = l.selecting(&l.servers, o, func(s *manifest.Object) bool { return s.Server.Declares() && s.Server.Selects(o.Pod.Labels) })
		l.workloads[o] = w
	}
	return w
}

// podPlace returns where the annotations of a workload's pods are.
func podPlace(o *manifest.Object) *place {
	return &place{o, o.Pod.AnnotationsPath, o.Pod.Annotations, onPod}
}

// selecting returns the objects of an index that are in a workload's namespace
// and select its pods, in order; none if there was too much to compare.
func (l *linter) selecting(list *index[*manifest.Object], w *manifest.Object, selects func(*manifest.Object) bool) []*manifest.Object {
	namespace := w.InNamespace()
	places := [][2]string{{namespace, ""}}
	for key, label := range w.Pod.Labels {
		places = append(places, [2]string{namespace, key + "=" + label.Value})
	}
	var found []*manifest.Object
	for o := range list.at(places) {
		if !l.spend(o, 1) {
			return nil
		}
		if selects(o) {
			found = append(found, o)
		}
	}
	return found
}

// maxSteps bounds how often objects are compared, which is the product of their
// numbers where all select all.
const maxSteps = 5_000_000

// spend reports whether so many more comparisons may be made. The first time
// that they may not is a finding.
func (l *linter) spend(o *manifest.Object, steps int) bool {
	was := l.steps
	if l.steps -= steps; was >= 0 && l.steps < 0 {
		l.addAs(Note, tooMany, o, 0, "spec", "too many objects select the same pods to compare all of them", "a call of lint for each namespace")
	}
	return l.steps >= 0
}

// index finds things by a namespace and a label "key=value", so that not
// everything is compared with everything.
type index[T any] struct {
	things []T
	by     map[[2]string][]int
}

// add notes a thing at several places.
func (x *index[T]) add(thing T, places ...[2]string) {
	if x.by == nil {
		x.by = map[[2]string][]int{}
	}
	for _, place := range places {
		x.by[place] = append(x.by[place], len(x.things))
	}
	x.things = append(x.things, thing)
}

// at yields what is at any of several places, once and in the order of add.
func (x *index[T]) at(places [][2]string) iter.Seq[T] {
	var found []int
	for _, place := range places {
		found = append(found, x.by[place]...)
	}
	if len(places) > 1 {
		slices.Sort(found)
		found = slices.Compact(found)
	}
	return func(yield func(T) bool) {
		for _, i := range found {
			if !yield(x.things[i]) {
				return
			}
		}
	}
}

// addPod notes a workload where selectors of pods look for it.
func (l *linter) addPod(w *workload) {
	namespace := w.InNamespace()
	places := [][2]string{{"", ""}, {namespace, ""}}
	for key, label := range w.Pod.Labels {
		places = append(places, [2]string{namespace, key + "=" + label.Value}, [2]string{"", key + "=" + label.Value})
	}
	l.pods.add(w, places...)
}

// peers yields the workloads that a rule of a policy may have among its peers.
func (l *linter) peers(p *manifest.Object, r *manifest.Rule) iter.Seq[*workload] {
	return l.pods.at(r.Candidates(p))
}

// read notes what the rules look up.
func (l *linter) read() {
	for _, o := range l.set.Objects {
		switch {
		case o.Policy != nil:
			l.policies.add(o, [2]string{o.InNamespace(), o.Policy.Label()})
		case o.Service != nil:
			l.services.add(o, [2]string{o.InNamespace(), o.Service.Label()})
			l.readService(o)
		case o.Server != nil:
			l.servers.add(o, [2]string{o.InNamespace(), o.Server.Label()})
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
	return l.selecting(&l.services, w, func(o *manifest.Object) bool { return o.Service.Selects(w.Pod.Labels) })
}

// policiesOf returns the policies about a workload.
func (l *linter) policiesOf(w *manifest.Object) []*manifest.Object {
	return l.selecting(&l.policies, w, func(o *manifest.Object) bool { return o.Policy.Selects(w.Pod.Labels) })
}

// opaqueProtocol is a Server's proxyProtocol for an opaque port.
const opaqueProtocol = "opaque"

// podOpaque reports whether a workload's port is opaque for the server's proxy,
// and whether something says so: a Server, or an annotation. Otherwise it is by
// default.
func (l *linter) podOpaque(w *manifest.Object, port uint16) (opaque, says bool) {
	for _, s := range l.facts(w).servers {
		if s.Server.Port(w.Pod) == port {
			return s.Server.Protocol == opaqueProtocol, true
		}
	}
	if a, in := l.set.Annotation(w, pods.Opaque); in != nil {
		list, _ := podPlace(w).opaque(a.Value)
		return list.Contains(port), true
	}
	return l.opaqueByDefault.Contains(port), false
}

// opaqueOf returns a workload's opaque ports. Those that are opaque by default
// count where the pod exposes them, or says nothing about what it exposes.
func (l *linter) opaqueOf(w *manifest.Object) config.PortSet {
	list, exposed := l.opaqueByDefault, w.Pod.Ports()
	if a, in := l.set.Annotation(w, pods.Opaque); in != nil {
		list, _ = podPlace(w).opaque(a.Value)
	} else if len(exposed) > 0 {
		list = overlap(list, exposed)
	}
	for _, s := range l.facts(w).servers {
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
		return l.opaqueByDefault.Contains(port.Number), false
	}
	list, _ := (&place{Object: s}).opaque(a.Value)
	return list.Contains(port.Number), true
}
