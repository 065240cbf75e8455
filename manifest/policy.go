package manifest

import (
	"fmt"
	"slices"
	"strconv"

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
	Protocol string
	Port     string // a number or a name; empty for all
	EndPort  uint16 `yaml:"endPort"`
}

// expression is one of a selector's matchExpressions.
type expression struct {
	Key      string
	Operator string
	Values   []string
}

// policy reads a NetworkPolicy's spec (NetworkPolicySpec of
// k8s.io/api/networking/v1); nil if it is about what goes out only.
func policy(unmarshal func(any) error) (*Ingress, error) {
	var o struct {
		Spec struct {
			PodSelector struct {
				MatchLabels      map[string]string `yaml:"matchLabels"`
				MatchExpressions []expression      `yaml:"matchExpressions"`
			} `yaml:"podSelector"`
			PolicyTypes []string `yaml:"policyTypes"`
			Ingress     []struct {
				From  []any
				Ports []policyPort
			}
		}
	}
	if err := unmarshal(&o); err != nil {
		return nil, err
	}
	spec := &o.Spec
	if len(spec.PolicyTypes) > 0 && !slices.Contains(spec.PolicyTypes, "Ingress") {
		return nil, nil
	}
	p := &Ingress{labels: spec.PodSelector.MatchLabels, expressions: spec.PodSelector.MatchExpressions}
	for _, in := range spec.Ingress {
		rule := IngressRule{ports: in.Ports}
		if len(in.From) > 0 {
			rule.Peers = fmt.Sprint(in.From) // maps in the order of their keys
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, nil
}

// Selects reports whether the policy is about pods with these labels
// (LabelSelector of k8s.io/apimachinery, meta/v1; an empty one selects all).
// An operator that Kubernetes does not have selects nothing.
func (p *Ingress) Selects(labels map[string]string) bool {
	for k, v := range p.labels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	for _, e := range p.expressions {
		value, has := labels[e.Key]
		listed := has && slices.Contains(e.Values, value)
		holds := false
		switch e.Operator {
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
// may have given names to them. A rule that names none is for every port.
func (r *IngressRule) Named(pod *Pod) (ports config.PortSet, all bool) {
	for _, p := range r.ports {
		number, err := strconv.ParseUint(p.Port, 10, 16)
		first := uint16(number)
		known := err == nil
		if !known {
			first, known = pod.PortNamed(p.Port)
		}
		switch {
		case !isTCP(p.Protocol):
		case p.Port == "":
			return nil, true
		case known:
			ports = ports.Union(config.PortSet{{First: first, Last: max(first, p.EndPort)}})
		}
	}
	return ports, len(r.ports) == 0
}
