package lint

import (
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// injection finds workloads that ask for a proxy and do not get one. What the
// pods' own annotation asks for is meant for them; a namespace's is for all,
// and some cannot have it.
func (l *linter) injection(own, pod *place, in manifest.Injection) {
	w := pod.Object
	severity := Warning
	if in.ByPod {
		severity = Error
	}
	switch {
	case in.Requested && w.Pod.HostNetwork:
		l.addAs(severity, hostNetwork, w, 0, pod.spec()+".hostNetwork", in.Why+", but a pod on the host's network gets no proxy",
			"no hostNetwork, or linkerd.io/inject: disabled")
	case in.Requested && !in.Injected:
		l.addAs(severity, notInjected, w, pod.list[pods.Inject].Line, pod.path(pods.Inject), in.Why+", but the pods get no proxy: "+strings.Join(in.Not, "; "),
			"linkerd.io/inject: disabled, or remove what prevents it")
	case in.Injected && in.ByPod && w.Pod.NoToken: // with the stock chart, since 2.12
		l.addAs(Note, notInjected, w, pod.list[pods.Inject].Line, pod.path(pods.Inject),
			in.Why+", and automountServiceAccountToken is false: the pods get a proxy as long as the injector mounts a token of its own (identity.serviceAccountTokenProjection)",
			"automountServiceAccountToken: true, where that is off")
	case own.on == onMaker && !in.Injected:
		value := own.list[pods.Inject].Value
		if _, onPods := pod.list[pods.Inject]; !onPods && wantsProxy(value) {
			l.report(notInjected, own, pods.Inject, "the pods get no proxy: Linkerd reads this on the pods, not on a "+w.Kind,
				written(pod.at+": "+pods.Inject, value))
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
		"linkerd.io/inject is ingress, but outbound port 443 is not skipped: the ingress controller cannot reach the Kubernetes API",
		written(skipOutboundKey, c.SkipOutboundPorts.Union(set(443)).String()))
}

// skipPorts says what linkerd.io/skip-ports does and does not do. Linkerd's
// destination service withholds a pod's identity for the ports in
// config.linkerd.io/skip-inbound-ports, and for no others (linkerd2,
// controller/api/destination/endpoint_translator.go, createWeightedAddr).
func (l *linter) skipPorts(pod *place) {
	a, ok := pod.list[skipBothKey]
	if list, err := config.ParsePorts(a.Value); !ok || err != nil || len(list) == 0 {
		return
	}
	clients := "meshed clients still speak TLS to these ports, which the application does not understand"
	if l.release >= throughInbound {
		clients = "meshed clients still connect to these ports through the proxy"
	}
	l.report(skipPortsOfShunt, pod, skipBothKey,
		"Linkerd does not read this, only shunt does: "+clients+", and the pod's own connections to the same port numbers bypass the proxy, too",
		skipInboundKey+" for the ports that the pod serves, "+skipOutboundKey+" for those that it connects to")
}
