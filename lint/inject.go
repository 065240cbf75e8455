package lint

import (
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// injection finds workloads that ask for a proxy and do not get one, and what a
// proxy in ingress mode needs.
func (l *linter) injection(own, pod *place, spec string, in manifest.Injection) {
	w := pod.Object
	switch {
	case in.Requested && w.Pod.HostNetwork:
		l.add(hostNetwork, w, 0, spec+".hostNetwork", in.Why+", but a pod on the host's network gets no proxy",
			"no hostNetwork, or linkerd.io/inject: disabled")
	case in.Requested && !in.Injected:
		l.report(notInjected, pod, pods.Inject, in.Why+", but the pods get no proxy: "+strings.Join(in.Not, "; "),
			"linkerd.io/inject: disabled, or remove what prevents it")
	case own.on == onMaker && !in.Injected:
		value := own.list[pods.Inject].Value
		if _, onPods := pod.list[pods.Inject]; !onPods && (value == "enabled" || value == "ingress") {
			l.report(notInjected, own, pods.Inject, "the pods get no proxy: Linkerd reads this on the pods, not on a "+w.Kind,
				written(w.PodPath+".metadata.annotations: "+pods.Inject, value))
		}
	}
}

// ingress looks for a proxy in ingress mode that takes the connections to the
// Kubernetes API: in that mode it routes by a header that they do not have.
func (l *linter) ingress(pod *place, c *config.Config) {
	a, in := l.set.Annotation(pod.Object, pods.Inject)
	if in == nil || a.Value != "ingress" || c.SkipOutboundPorts.Contains(443) {
		return
	}
	l.report(ingressAPIServer, pod, skipOutboundKey,
		"linkerd.io/inject is ingress, but outbound port 443 is not skipped: the ingress controller does not reach the Kubernetes API",
		written(skipOutboundKey, c.SkipOutboundPorts.Union(set(443)).String()))
}

// skipPorts says what linkerd.io/skip-ports does and does not do.
func (l *linter) skipPorts(pod *place) {
	a, ok := pod.list[skipBothKey]
	if list, err := config.ParsePorts(a.Value); !ok || err != nil || len(list) == 0 {
		return
	}
	l.report(skipPortsOfShunt, pod, skipBothKey,
		"Linkerd does not read this, only shunt does: meshed clients still use mutual TLS to these ports, and the pod's own connections to the same port numbers bypass the proxy, too",
		skipInboundKey+" for the ports that the pod serves, "+skipOutboundKey+" for those that it connects to")
}
