package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// leading compares an injected workload with the Services that lead to it.
// Clients see a Service's port, and the server's proxy a container's.
func (l *linter) leading(pod *place, c *config.Config) {
	inbound := listed(pod, skipInboundKey)
	for _, s := range l.servicesOf(pod.Object) {
		for i := range s.Service.Ports {
			port := &s.Service.Ports[i]
			target := port.Target(pod.Pod)
			if target == 0 {
				continue
			}
			if inbound.Contains(port.Number) && !inbound.Contains(target) && port.Number != target && !pod.Pod.Ports().Contains(port.Number) {
				l.report(servicePort, pod, skipInboundKey,
					fmt.Sprintf("%d is a port of %s, which leads to container port %d: inbound lists are about container ports", port.Number, s, target),
					fmt.Sprintf("%d instead of %d", target, port.Number))
			}
			l.opaqueOnBoth(pod, s, port, target, c)
		}
	}
}

// listed returns the ports in a list of an annotation's, none if it is wrong,
// which is a finding of its own.
func listed(p *place, key string) config.PortSet {
	list, err := config.ParsePorts(p.list[key].Value)
	if err != nil {
		return nil
	}
	return list
}

// opaqueOnBoth looks for a port that is opaque on one side only: Linkerd reads
// the pod's annotation for the server's proxy, and the Service's for clients.
func (l *linter) opaqueOnBoth(pod *place, s *manifest.Object, port *manifest.ServicePort, target uint16, c *config.Config) {
	if c.SkipInboundPorts.Contains(target) || s.Service.Headless {
		return // clients of a headless Service connect to pods, by whose annotation they go
	}
	onPod, podSays := l.podOpaque(pod.Object, target)
	onService, serviceSays := l.serviceOpaque(s, port)
	if onPod == onService || !podSays && !serviceSays && protocol(manifest.ContainerPort{Number: port.Number}, "") == "" {
		return // the same, or opaque by default, of a protocol that can be detected
	}
	switch {
	case onPod && !onService:
		l.add(opaqueOnOneSide, s, s.Annotations[pods.Opaque].Line, `metadata.annotations["`+pods.Opaque+`"]`,
			fmt.Sprintf("port %d leads to port %d of %s, which is opaque there but not here: clients of the Service detect its protocol", port.Number, target, pod.Object),
			fmt.Sprintf("%s, with %d in the list", pods.Opaque, port.Number))
	case onService && !onPod && (port.Protocol == "" || strings.HasPrefix(port.Protocol, "linkerd.io/")): // others do not mean Linkerd alone
		if pod.speaks(target) {
			return // a finding of its own
		}
		whose := "the server's proxy detects its protocol"
		if l.release >= throughInbound { // meshed clients tell it
			whose = "the server's proxy detects the protocol of clients without a proxy"
		}
		l.report(opaqueOnOneSide, pod, pods.Opaque,
			fmt.Sprintf("port %d is opaque on %s (port %d) but not here: %s", target, s, port.Number, whose),
			fmt.Sprintf("%s, with %d in the list", pods.Opaque, target))
	}
}

// outbound looks for a list of outbound skip ports with a container's port
// where a Service has another: rules see the Service's.
func (l *linter) outbound(pod *place) {
	if len(listed(pod, skipOutboundKey)) == 0 {
		return
	}
	for _, text := range strings.Split(pod.list[skipOutboundKey].Value, ",") {
		entry, err := config.ParsePorts(text)
		if err != nil || len(entry) != 1 || entry[0].First != entry[0].Last {
			continue
		}
		if s, port := l.behind(pod.InNamespace(), entry[0].First); s != nil && !listed(pod, skipOutboundKey).Contains(port) {
			l.report(servicePort, pod, skipOutboundKey,
				fmt.Sprintf("%s is a container port behind %s, to whose port %d clients connect: outbound lists are about the Services' ports", entry, s, port),
				fmt.Sprintf("%d instead of %s, or both if clients connect to the pods themselves", port, entry))
		}
	}
}

// behind returns the Service of a namespace that leads from another port to a
// container's port; none if any Service has that port itself.
func (l *linter) behind(namespace string, target uint16) (s *manifest.Object, port uint16) {
	if l.servicePorts[target] {
		return nil, 0
	}
	found := l.targets[fmt.Sprintf("%s\n%d", namespace, target)]
	return found.service, found.port
}

// targeted is the port of a Service that leads to a container's port.
type targeted struct {
	service *manifest.Object
	port    uint16
}

// readService notes a Service's ports.
func (l *linter) readService(s *manifest.Object) {
	for _, p := range s.Service.Ports {
		l.servicePorts[p.Number] = true
		target := p.Target(&manifest.Pod{})
		if key := fmt.Sprintf("%s\n%d", s.InNamespace(), target); target != 0 && target != p.Number && !s.Service.Headless && l.targets[key].service == nil {
			l.targets[key] = targeted{s, p.Number}
		}
	}
}

// external looks for a Service that stands for a server outside the cluster, in
// whose protocol the server speaks first.
func (l *linter) external(s *manifest.Object) {
	path, where := "spec.externalName", s.Service.ExternalName
	if where == "" {
		if s.Service.Label() != "" || !l.endpoints[s.InNamespace()+"/"+s.Name] {
			return
		}
		path, where = "spec.selector", "addresses that the files list"
	}
	for _, port := range s.Service.Ports {
		if why := protocol(manifest.ContainerPort{Number: port.Number, Name: port.Name}, ""); why != "" {
			l.addAs(Note, externalServer, s, 0, path, // its clients may do what is needed
				fmt.Sprintf("port %d (%s) leads to %s, where no proxy answers", port.Number, why, where),
				fmt.Sprintf("%s: %q on the clients' pods", skipOutboundKey, fmt.Sprint(port.Number)))
		}
	}
}

// clientOf looks for servers outside the cluster that a workload's environment
// names, in whose protocol the server speaks first. The proxy asks what is opaque
// for addresses of the cluster's networks only (Linkerd's chart, clusterNetworks),
// unless it is told to ask for others.
func (l *linter) clientOf(pod *place, c *config.Config) {
	if a, _ := l.set.Annotation(pod.Object, "config.linkerd.io/enable-external-profiles"); a.Value == "true" || l.egressNetworks {
		return
	}
	for _, container := range pod.Pod.Containers {
		for _, v := range container.Env {
			host, port, why := outside(v.Value.Value)
			if why == "" || c.SkipOutboundPorts.Contains(port) {
				continue
			}
			severity := Warning
			if l.opaqueByDefault.Contains(port) { // enough if its address is private
				severity = Note
			}
			l.addAs(severity, externalServer, pod.Object, v.Value.Line, pod.spec()+".containers",
				fmt.Sprintf("variable %s names %s, port %d (%s), outside the cluster, where no proxy answers, and the port is not skipped outbound", v.Name, host, port, why),
				written(skipOutboundKey, c.SkipOutboundPorts.Union(set(port)).String()))
		}
	}
}

// outside returns the server that a text names if it is outside the cluster and
// its protocol cannot be detected: HOST:PORT, or a URL.
func outside(text string) (host string, port uint16, why string) {
	scheme, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		scheme, rest = "", text
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, number, _ := strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], ":")
	list, err := config.ParsePorts(number)
	if err != nil || len(list) != 1 || list[0].First != list[0].Last || strings.HasPrefix(scheme, "http") || !isPublic(host) {
		return "", 0, ""
	}
	port = list[0].First
	why = protocol(manifest.ContainerPort{Number: port, Name: scheme}, "")
	return host, port, strings.Replace(why, byName, ", by the URL", 1)
}

// isPublic reports whether a host is one of the internet's: its name has a
// domain that is not the cluster's, or its address is not private.
func isPublic(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return !address.IsPrivate() && !address.IsLoopback() && !address.IsUnspecified() && !address.IsLinkLocalUnicast()
	}
	name, domain, ok := strings.Cut(host, ".")
	if !ok || name == "" || strings.Trim(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return false
	}
	labels := strings.Split(domain, ".")
	return !slices.Contains(labels, "svc") && !slices.Contains([]string{"", "local", "internal", "svc"}, labels[len(labels)-1])
}
