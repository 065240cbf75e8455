package manifest

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// Ingress is what a NetworkPolicy lets in to the pods that it selects.
type Ingress struct {
	labels      map[string]string
	expressions []expression
	Rules       []IngressRule
}

// IngressRule admits what comes from its peers to its ports.
type IngressRule struct {
	Peers string // as text, to compare rules with each other; empty: everybody
	ports []policyPort
}

type policyPort struct {
	protocol string
	port     string // a number or a name; empty for all
	endPort  uint16
}

// expression is one of a selector's matchExpressions.
type expression struct {
	key, operator string
	values        []string
}

// policy reads a NetworkPolicy's spec (NetworkPolicySpec of
// k8s.io/api/networking/v1). It returns nil if the policy is about egress only.
func (r *reader) policy(spec *yaml.Node) *Ingress {
	p := &Ingress{labels: map[string]string{}}
	var types []string
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "podSelector":
			r.selector(p, v)
		case "policyTypes":
			types = r.list(v)
		case "ingress":
			for _, item := range r.items(v) {
				p.Rules = append(p.Rules, r.ingressRule(item))
			}
		}
	}
	if len(types) > 0 && !slices.Contains(types, "Ingress") {
		return nil
	}
	return p
}

func (r *reader) selector(p *Ingress, n *yaml.Node) {
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "matchLabels":
			for _, label := range r.fields(v) {
				p.labels[label.name()] = r.text(label.value)
			}
		case "matchExpressions":
			for _, item := range r.items(v) {
				var x expression
				for _, e := range r.fields(item) {
					switch v := e.value; e.name() {
					case "key":
						x.key = r.text(v)
					case "operator":
						x.operator = r.text(v)
					case "values":
						x.values = r.list(v)
					}
				}
				p.expressions = append(p.expressions, x)
			}
		}
	}
}

func (r *reader) ingressRule(n *yaml.Node) IngressRule {
	var rule IngressRule
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "from":
			for _, item := range r.items(v) {
				var b strings.Builder
				r.canonical(&b, item)
				rule.Peers += b.String()
			}
		case "ports":
			for _, item := range r.items(v) {
				var p policyPort
				for _, e := range r.fields(item) {
					switch v := e.value; e.name() {
					case "protocol":
						p.protocol = r.text(v)
					case "port":
						p.port = r.text(v)
					case "endPort":
						p.endPort = r.port(v)
					}
				}
				rule.ports = append(rule.ports, p)
			}
		}
	}
	return rule
}

// list returns a list of texts.
func (r *reader) list(n *yaml.Node) []string {
	var out []string
	for _, item := range r.items(n) {
		out = append(out, r.text(item))
	}
	return out
}

// Selects reports whether the policy applies to pods with these labels
// (LabelSelector of k8s.io/apimachinery, meta/v1; an empty one selects all).
// An unknown operator selects nothing.
func (p *Ingress) Selects(labels Texts) bool {
	for k, v := range p.labels {
		if got, ok := labels[k]; !ok || got.Value != v {
			return false
		}
	}
	for _, e := range p.expressions {
		value, has := labels[e.key]
		listed := has && slices.Contains(e.values, value.Value)
		holds := false
		switch e.operator {
		case "In":
			holds = listed
		case "NotIn":
			holds = !listed
		case "Exists":
			holds = has
		case "DoesNotExist":
			holds = !has
		}
		if !holds {
			return false
		}
	}
	return true
}

// Named returns the TCP ports that the rule names, on a pod whose containers
// may have named them. A rule without ports applies to every port.
func (r *IngressRule) Named(pod *Pod) (ports config.PortSet, all bool) {
	for _, p := range r.ports {
		number, err := strconv.ParseUint(p.port, 10, 16)
		first := uint16(number)
		known := err == nil
		if !known {
			first, known = pod.PortNamed(p.port)
		}
		switch {
		case !isTCP(p.protocol):
		case p.port == "":
			return nil, true
		case known:
			ports = ports.Union(config.PortSet{{First: first, Last: max(first, p.endPort)}})
		}
	}
	return ports, len(r.ports) == 0
}
