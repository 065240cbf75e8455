package lint

import (
	"fmt"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// services compares an injected workload with the Services that lead to it.
// Clients see a Service's port, and the server's proxy a container's.
func (l *linter) services(pod *place, c *config.Config) {
	inbound, err := config.ParsePorts(pod.list[skipInboundKey].Value)
	if err != nil {
		inbound = nil // a finding of its own
	}
	for _, s := range l.set.Objects {
		if s.Service == nil || s.InNamespace() != pod.InNamespace() || !s.Service.Selects(pod.Pod.Labels) {
			continue
		}
		for _, port := range s.Service.Ports {
			target := port.Target(pod.Pod)
			if target == 0 {
				continue
			}
			if inbound.Contains(port.Number) && !inbound.Contains(target) && port.Number != target && !pod.Pod.Ports().Contains(port.Number) {
				l.report(servicePort, pod, skipInboundKey,
					fmt.Sprintf("%d is a port of %s, which leads to container port %d: inbound lists are about container ports", port.Number, s, target),
					fmt.Sprintf("%d instead of %d", target, port.Number))
			}
			l.opaqueOnBoth(pod, s, port.Number, target, c)
		}
	}
}

// opaqueOnBoth looks for a port that is opaque on one side only: Linkerd reads
// the pod's annotation for the server's proxy, and the Service's for clients.
func (l *linter) opaqueOnBoth(pod *place, s *manifest.Object, port, target uint16, c *config.Config) {
	if c.SkipInboundPorts.Contains(target) {
		return
	}
	onPod, podSays := l.marksOpaque(pod.Object, target)
	onService, serviceSays := l.serviceMarksOpaque(s, port)
	if !podSays && !serviceSays && protocol(manifest.ContainerPort{Number: port}, "") == "" {
		return // opaque by default, of a protocol that can be detected
	}
	switch {
	case onPod && !onService:
		l.add(opaqueOnOneSide, s, s.Annotations[pods.Opaque].Line, `metadata.annotations["`+pods.Opaque+`"]`,
			fmt.Sprintf("port %d leads to port %d of %s, which is opaque there but not here: clients of the Service detect its protocol", port, target, pod.Object),
			fmt.Sprintf("%s, with %d in the list", pods.Opaque, port))
	case onService && !onPod:
		l.report(opaqueOnOneSide, pod, pods.Opaque,
			fmt.Sprintf("port %d is opaque on %s (port %d) but not here: the server's proxy detects its protocol", target, s, port),
			fmt.Sprintf("%s, with %d in the list", pods.Opaque, target))
	}
}

// marksOpaque reports whether a port of a workload is opaque, and whether an
// annotation says which are.
func (l *linter) marksOpaque(w *manifest.Object, port uint16) (opaque, says bool) {
	list := l.release.OpaquePorts()
	a, in := l.set.Annotation(w, pods.Opaque)
	if in != nil {
		list, _ = (&place{Object: w}).opaque(a.Value)
	}
	return list.Contains(port), in != nil
}

// serviceMarksOpaque is marksOpaque for a Service: by its annotation, that of
// its namespace, or by default.
func (l *linter) serviceMarksOpaque(s *manifest.Object, port uint16) (opaque, says bool) {
	list := l.release.OpaquePorts()
	a, ok := s.Annotations[pods.Opaque]
	if ns := l.set.NamespaceOf(s); !ok && ns != nil {
		a, ok = ns.Annotations[pods.Opaque]
	}
	if ok {
		list, _ = (&place{Object: s}).opaque(a.Value)
	}
	return list.Contains(port), ok
}

// external looks for a Service that stands for a server outside the cluster, in
// whose protocol the server speaks first.
func (l *linter) external(s *manifest.Object) {
	if s.Service.ExternalName == "" {
		return
	}
	for _, port := range s.Service.Ports {
		if why := protocol(manifest.ContainerPort{Number: port.Number}, ""); why != "" {
			l.add(externalServer, s, 0, "spec.externalName",
				fmt.Sprintf("port %d (%s) leads to %s, outside the cluster, where no proxy answers", port.Number, why, s.Service.ExternalName),
				fmt.Sprintf("%s: %q on the clients' pods", skipOutboundKey, fmt.Sprint(port.Number)))
		}
	}
}
