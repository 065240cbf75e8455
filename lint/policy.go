package lint

import (
	"fmt"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// policy looks for rules that allow an opaque port of a meshed workload but not
// the proxy's inbound port, to which meshed clients connect instead.
func (l *linter) policy(p *manifest.Object) {
	workloads := l.set.Workloads()
	for i := range p.Policy.Rules {
		rule := &p.Policy.Rules[i]
		for _, w := range workloads {
			if !selects(p, w) || !l.set.Injection(w).Injected {
				continue
			}
			c, err := l.set.Config(config.Standard(), w, config.ModeInit)
			if err != nil {
				continue // a finding of its own
			}
			opaque := l.opaqueOf(rule, w, &c)
			if len(opaque) == 0 || l.admits(rule.Peers, w, c.InboundPort) {
				continue
			}
			l.add(policyWithoutProxy, p, 0, fmt.Sprintf("spec.ingress[%d].ports", i),
				fmt.Sprintf("%s is meshed and its port %s is opaque: meshed clients connect to the proxy's port %d instead, which no policy allows", w, opaque, c.InboundPort),
				fmt.Sprintf("another entry: {protocol: TCP, port: %d}", c.InboundPort))
			break // one workload is enough to show it
		}
	}
}

func selects(p, w *manifest.Object) bool {
	return p.InNamespace() == w.InNamespace() && p.Policy.Selects(w.Pod.Labels)
}

// opaqueOf returns the opaque ports of a workload that a rule names. The
// default list counts where the pod exposes the port, or says nothing about
// what it exposes.
func (l *linter) opaqueOf(rule *manifest.IngressRule, w *manifest.Object, c *config.Config) config.PortSet {
	set := l.release.OpaquePorts()
	if a, in := l.set.Annotation(w, pods.Opaque); in != nil {
		set, _ = (&place{Object: w}).opaque(a.Value)
	} else if exposed := w.Pod.Ports(); len(exposed) > 0 {
		set = overlap(set, exposed)
	}
	named, all := rule.Named(w.Pod)
	if all {
		return nil
	}
	return overlap(without(set, c.SkipInboundPorts), named)
}

// admits reports whether any policy allows the peers of a rule, or everybody, to
// connect to a port of the workload: policies add up.
func (l *linter) admits(peers string, w *manifest.Object, port uint16) bool {
	for _, p := range l.policies {
		if !selects(p, w) {
			continue
		}
		for i := range p.Policy.Rules {
			r := &p.Policy.Rules[i]
			if named, all := r.Named(w.Pod); (r.Peers == "" || r.Peers == peers) && (all || named.Contains(port)) {
				return true
			}
		}
	}
	return false
}
