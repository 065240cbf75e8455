package manifest

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Service is what a Service says about its pods.
type Service struct {
	selector     map[string]string
	ExternalName string
	Headless     bool // its name leads to the pods' own addresses, whose ports are the containers'
	Ports        []ServicePort
}

// ServicePort is a TCP port of a Service.
type ServicePort struct {
	Number   uint16
	Name     string
	Protocol string // appProtocol; empty: none is declared
	target   string // a number or a name; empty: the same number
}

// service reads a Service's spec (ServiceSpec of k8s.io/api/core/v1).
func (r *reader) service(spec *yaml.Node) *Service {
	s := &Service{}
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "selector":
			s.selector = r.plain(v)
		case "clusterIP":
			s.Headless = r.text(v) == "None"
		case "externalName":
			s.ExternalName = r.text(v)
		case "ports":
			for _, item := range r.items(v) {
				if p, tcp := r.servicePort(item); tcp {
					s.Ports = append(s.Ports, p)
				}
			}
		}
	}
	return s
}

func (r *reader) servicePort(n *yaml.Node) (p ServicePort, tcp bool) {
	tcp = true
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "name":
			p.Name = r.text(v)
		case "port":
			p.Number = r.port(v)
		case "targetPort":
			p.target = r.text(v)
		case "appProtocol":
			p.Protocol = r.text(v)
		case "protocol":
			tcp = isTCP(r.text(v))
		}
	}
	return p, tcp
}

// Selects reports whether the Service's connections go to pods with these
// labels.
func (s *Service) Selects(labels Texts) bool {
	for key, value := range s.selector {
		if got, ok := labels[key]; !ok || got.Value != value {
			return false
		}
	}
	return len(s.selector) > 0
}

// Label returns a label that the Service's pods have, "key=value", empty if it
// selects none.
func (s *Service) Label() string { return firstLabel(s.selector) }

// Target returns the container port of a pod that a Service's port leads to, 0
// if the pod does not have it.
func (p ServicePort) Target(pod *Pod) uint16 {
	if p.target == "" {
		return p.Number
	}
	number, _ := portOf(p.target, pod)
	return number
}

// portOf returns the port that a number or a container port's name means on a
// pod.
func portOf(text string, pod *Pod) (port uint16, known bool) {
	if text == "" {
		return 0, false
	}
	if number, err := strconv.ParseUint(text, 10, 16); err == nil {
		return uint16(number), true
	}
	return pod.PortNamed(text)
}

// Server is what a Server of Linkerd's policies says about a port of the pods
// that it selects.
type Server struct {
	*Selector
	Protocol string // proxyProtocol
	port     string
}

// server reads a Server's spec (policy.linkerd.io/v1beta3, linkerd2
// charts/linkerd-crds).
func (r *reader) server(spec *yaml.Node) *Server {
	s := &Server{Selector: &Selector{}}
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "podSelector":
			s.Selector = r.selector(v)
		case "port":
			s.port = r.text(v)
		case "proxyProtocol":
			s.Protocol = r.text(v)
		}
	}
	return s
}

// Declares reports whether the Server says what the protocol is. Otherwise, it
// is detected.
func (s *Server) Declares() bool { return s.Protocol != "" && s.Protocol != "unknown" }

// Port returns the Server's port on a pod, 0 if the pod does not have it.
func (s *Server) Port(pod *Pod) uint16 {
	port, _ := portOf(s.port, pod)
	return port
}
