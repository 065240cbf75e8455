package manifest

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Service is what a Service says about its pods.
type Service struct {
	Selector     map[string]string // nil: none
	ExternalName string
	Ports        []ServicePort
}

// ServicePort is a TCP port of a Service.
type ServicePort struct {
	Number uint16
	target string // a number or a name; empty: the same number
}

// service reads a Service's spec (ServiceSpec of k8s.io/api/core/v1).
func (r *reader) service(spec *yaml.Node) *Service {
	s := &Service{}
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "selector":
			s.Selector = map[string]string{}
			for _, label := range r.fields(v) {
				s.Selector[label.name()] = r.text(label.value)
			}
		case "externalName":
			s.ExternalName = r.text(v)
		case "ports":
			for _, item := range r.items(v) {
				var p ServicePort
				protocol := ""
				for _, e := range r.fields(item) {
					switch v := e.value; e.name() {
					case "port":
						p.Number = r.port(v)
					case "targetPort":
						p.target = r.text(v)
					case "protocol":
						protocol = r.text(v)
					}
				}
				if isTCP(protocol) {
					s.Ports = append(s.Ports, p)
				}
			}
		}
	}
	return s
}

// Selects reports whether the Service's connections go to pods with these
// labels.
func (s *Service) Selects(labels Texts) bool {
	for key, value := range s.Selector {
		if got, ok := labels[key]; !ok || got.Value != value {
			return false
		}
	}
	return len(s.Selector) > 0
}

// Target returns the container port of a pod that a Service's port leads to, 0
// if the pod does not have it.
func (p ServicePort) Target(pod *Pod) uint16 {
	if p.target == "" {
		return p.Number
	}
	if number, err := strconv.ParseUint(p.target, 10, 16); err == nil {
		return uint16(number)
	}
	number, _ := pod.PortNamed(p.target)
	return number
}
