package lint

import (
	"fmt"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// network looks at the NetworkPolicies about a meshed workload: meshed clients
// connect to the proxy's inbound port instead of the port that they mean, and
// the proxy itself connects to the control plane.
func (l *linter) network(w *workload) {
	policies := l.policiesOf(w.Object)
	l.ingressPolicies(w, policies)
	l.egressPolicies(w, policies)
}

// ingressPolicies looks for rules that allow a port of the workload, but not
// the proxy's inbound port.
func (l *linter) ingressPolicies(w *workload, policies []*manifest.Object) {
	var admitting []admission
	for _, p := range policies {
		for _, r := range p.Policy.Ingress {
			if named, all := r.Named(w.Pod); all || named.Contains(w.config.InboundPort) || r.Mentions(proxyPortName) {
				admitting = append(admitting, admission{p, r})
			}
		}
	}
	for _, p := range policies {
		for i, r := range p.Policy.Ingress {
			key := ruleKey{p, "ingress", i}
			ports := l.throughProxy(w, r)
			if len(ports) == 0 || l.reported[key] || r.Addresses() || !l.spend(p, len(admitting)) ||
				slices.ContainsFunc(admitting, func(a admission) bool { return a.rule.Covers(r) }) {
				continue
			}
			client, severity := l.clients(p, r, admitting)
			if severity == "" {
				continue
			}
			l.reported[key] = true // one workload is enough to show it
			who := fmt.Sprintf("%s is meshed, so connections of meshed clients, if there are any,", w)
			if client != nil {
				who = fmt.Sprintf("%s and %s are meshed, so connections between them", w, client)
			}
			l.addAs(severity, policyWithoutProxy, p, r.Line, fmt.Sprintf("spec.ingress[%d].ports", i),
				fmt.Sprintf("%s go to the server's proxy, port %d, instead of port %s, and no policy in these files allows that", who, w.config.InboundPort, ports),
				fmt.Sprintf("another entry: {protocol: TCP, port: %d}", w.config.InboundPort))
		}
	}
}

// proxyPortName is the name of the proxy's inbound port in an injected pod
// (linkerd2, pkg/k8s/labels.go, ProxyPortName).
const proxyPortName = "linkerd-proxy"

// admission is a rule that lets its peers connect to the proxy's port.
type admission struct {
	policy *manifest.Object
	rule   *manifest.Rule
}

// ruleKey is a rule of a policy.
type ruleKey struct {
	policy    *manifest.Object
	direction string
	number    int
}

// throughProxy returns the ports that a rule names on a workload and that
// meshed clients reach by the proxy's inbound port: the opaque ones and, since
// Linkerd 2.18 (proxy.outboundTransportMode), all but those that are skipped
// and the proxy's own (linkerd2, controller/api/destination,
// createWeightedAddr).
func (l *linter) throughProxy(w *workload, r *manifest.Rule) config.PortSet {
	named, all := r.Named(w.Pod)
	if all {
		return nil
	}
	c := w.config
	named = without(named, c.SkipInboundPorts.Union(set(c.InboundPort, c.OutboundPort, c.ControlPort, c.AdminPort)))
	if l.release >= throughInbound {
		return named
	}
	return overlap(named, l.opaqueOf(w.Object))
}

// clients looks for a meshed client that a rule lets in to a workload, and no
// rule to its proxy. Without one in the files, the severity says whether there
// may be any: none if the rule's peers are in the files and have no proxy. A rule
// that names no labels lets in everybody of a namespace, so that none of them
// need be a client.
func (l *linter) clients(p *manifest.Object, r *manifest.Rule, admitting []admission) (client *manifest.Object, severity Severity) {
	fine := false // there are peers, without a proxy or admitted
	for c := range l.peers(p, r) {
		if !l.spend(p, 1+len(admitting)) {
			return nil, ""
		}
		if l.set.Admits(p, r, c.Object) != manifest.Yes {
			continue
		}
		switch {
		case !c.in.Injected, slices.ContainsFunc(admitting, func(a admission) bool { return l.set.Admits(a.policy, a.rule, c.Object) != manifest.No }):
			fine = true
		case r.Labelled():
			return c.Object, Error
		default:
			return nil, Warning
		}
	}
	if fine && r.Key != "" {
		return nil, ""
	}
	return nil, Warning
}

// The ports of the control plane's pods to which every proxy connects: for its
// identity, where destinations are, and policies (linkerd2,
// charts/linkerd-control-plane/templates; the last since 2.11).
const (
	identityPort    = 8080
	destinationPort = 8086
	policyPort      = 8090
)

// egressPolicies looks for rules about what goes out that stop the proxy.
func (l *linter) egressPolicies(w *workload, policies []*manifest.Object) {
	var limiting []*manifest.Object
	for _, p := range policies {
		if p.Policy.Egress != nil {
			limiting = append(limiting, p)
		}
	}
	if len(limiting) == 0 {
		return
	}
	if w.Pod.Labels[pods.ControlPlaneComponent].Value == "" {
		l.controlPlane(w, limiting)
	}
	for _, p := range limiting {
		for i, r := range p.Policy.Egress {
			if key := (ruleKey{p, "egress", i}); !l.reported[key] && !r.Addresses() && r.Key != "" {
				l.reported[key] = l.meshedServer(w, limiting, p, r, i)
			}
		}
	}
}

// controlPlane looks for policies that keep the proxy from the control plane.
func (l *linter) controlPlane(w *workload, limiting []*manifest.Object) {
	var missing []string
	for _, port := range []uint16{identityPort, destinationPort, policyPort} {
		may := port == policyPort && l.release < podAddress
		for _, p := range limiting {
			for _, r := range p.Policy.Egress {
				may = may || r.MayAllow(port) && r.Abroad()
			}
		}
		if !may {
			missing = append(missing, fmt.Sprint(port))
		}
	}
	if first := limiting[0]; len(missing) > 0 && !l.reported[ruleKey{first, "control plane", 0}] {
		l.reported[ruleKey{first, "control plane", 0}] = true
		l.add(egressControlPlane, first, 0, "spec.egress",
			fmt.Sprintf("%s is meshed, and no policy in these files lets its proxy connect to the control plane's port %s: the pod does not become ready", w, strings.Join(missing, ", ")),
			"to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: linkerd}}}], ports: [{port: 8080}, {port: 8086}, {port: 8090}]")
	}
}

// meshedServer looks for a meshed server that an egress rule leads to by a port
// that the client's proxy does not use, and reports whether there is one.
func (l *linter) meshedServer(w *workload, limiting []*manifest.Object, p *manifest.Object, r *manifest.Rule, number int) bool {
	for s := range l.peers(p, r) {
		if !l.spend(p, 1) {
			return false
		}
		if !s.in.Injected || l.set.Admits(p, r, s.Object) != manifest.Yes {
			continue
		}
		ports := l.throughProxy(s, r)
		if exposed := s.Pod.Ports(); len(exposed) > 0 {
			ports = overlap(ports, exposed)
		}
		if len(ports) == 0 || !l.spend(p, len(limiting)) || l.mayLeave(limiting, s) {
			continue
		}
		l.add(policyWithoutProxy, p, r.Line, fmt.Sprintf("spec.egress[%d].ports", number),
			fmt.Sprintf("%s and %s are meshed, so connections between them go to the server's proxy, port %d, instead of port %s, and no policy in these files allows that", w, s, s.config.InboundPort, ports),
			fmt.Sprintf("another entry: {protocol: TCP, port: %d}", s.config.InboundPort))
		return true
	}
	return false
}

// mayLeave reports whether policies about what goes out may allow connections
// to a server's proxy.
func (l *linter) mayLeave(limiting []*manifest.Object, s *workload) bool {
	for _, p := range limiting {
		for _, r := range p.Policy.Egress {
			if r.MayAllow(s.config.InboundPort) && l.set.Admits(p, r, s.Object) != manifest.No {
				return true
			}
		}
	}
	return false
}
