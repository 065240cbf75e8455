package manifest

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// Policy is what a NetworkPolicy lets in to the pods that it selects, and what
// it lets out of them. Policies add up.
type Policy struct {
	*Selector
	Ingress, Egress Rules // nil: the policy does not limit that direction
}

// Rules are the rules of a policy in one direction; none lets nothing through.
type Rules []*Rule

// Rule lets through what its peers and ports match.
type Rule struct {
	Line  int
	Key   string // the peers as text, to compare rules with each other; empty: everybody
	peers []peer
	ports []policyPort
}

// peer is one of a rule's peers: addresses, or pods.
type peer struct {
	addresses  bool      // an ipBlock
	namespaces *Selector // nil: the policy's own
	pods       *Selector // nil: all
}

type policyPort struct {
	protocol string
	port     string // a number or a name; empty for all
	endPort  uint16
}

// policy reads a NetworkPolicy's spec (NetworkPolicySpec of
// k8s.io/api/networking/v1). Without policyTypes it is about what comes in, and
// about what goes out if it has rules for that.
func (r *reader) policy(spec *yaml.Node) *Policy {
	p := &Policy{Selector: &Selector{}}
	in, out := Rules{}, Rules{}
	types := []string{"Ingress"}
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "podSelector":
			p.Selector = r.selector(v)
		case "policyTypes":
			if given := r.list(v); len(given) > 0 {
				types = given
			}
		case "ingress":
			in = r.rules(v, "from")
		case "egress":
			out = r.rules(v, "to")
		}
	}
	if len(out) > 0 {
		p.Egress = out
	}
	for _, t := range types {
		switch t {
		case "Ingress":
			p.Ingress = in
		case "Egress":
			p.Egress = out
		}
	}
	return p
}

// rules reads rules whose peers stand under a key.
func (r *reader) rules(list *yaml.Node, peers string) Rules {
	out := Rules{}
	for _, item := range r.items(list) {
		rule := &Rule{Line: r.at(item)}
		for _, e := range r.fields(item) {
			switch v := e.value; e.name() {
			case peers:
				for _, item := range r.items(v) {
					var b strings.Builder
					r.canonical(&b, item)
					rule.Key += b.String()
					rule.peers = append(rule.peers, r.peer(item))
				}
			case "ports":
				for _, item := range r.items(v) {
					rule.ports = append(rule.ports, r.policyPort(item))
				}
			}
		}
		out = append(out, rule)
	}
	return out
}

func (r *reader) peer(n *yaml.Node) peer {
	var p peer
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "ipBlock":
			p.addresses = true
		case "namespaceSelector":
			p.namespaces = r.selector(v)
		case "podSelector":
			p.pods = r.selector(v)
		}
	}
	return p
}

func (r *reader) policyPort(n *yaml.Node) policyPort {
	var p policyPort
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "protocol":
			p.protocol = r.text(v)
		case "port":
			p.port = r.text(v)
		case "endPort":
			p.endPort = r.port(v)
		}
	}
	return p
}

// Named returns the TCP ports that the rule names, on a pod whose containers
// may have named them. A rule without ports applies to every port.
func (r *Rule) Named(pod *Pod) (ports config.PortSet, all bool) {
	for _, p := range r.ports {
		first, known := portOf(p.port, pod)
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

// MayAllow reports whether the rule can allow a TCP port: a name may stand for
// any.
func (r *Rule) MayAllow(port uint16) bool {
	for _, p := range r.ports {
		number, err := strconv.ParseUint(p.port, 10, 16)
		if isTCP(p.protocol) && (err != nil || uint16(number) <= port && port <= max(uint16(number), p.endPort)) {
			return true
		}
	}
	return len(r.ports) == 0
}

// Answer is what is known about a question.
type Answer uint8

// The answers.
const (
	No Answer = iota
	Unknown
	Yes
)

// Admits says whether a policy's rule has a workload among its peers. That is
// unknown if it depends on the labels of a Namespace that is not in the files,
// or on the pods' addresses.
func (s *Set) Admits(policy *Object, rule *Rule, w *Object) Answer {
	if len(rule.peers) == 0 {
		return Yes
	}
	best := No
	for _, p := range rule.peers {
		best = max(best, s.isPeer(policy, p, w))
	}
	return best
}

func (s *Set) isPeer(policy *Object, p peer, w *Object) Answer {
	switch {
	case p.addresses:
		return Unknown
	case p.pods != nil && !p.pods.Selects(w.Pod.Labels):
		return No
	case p.namespaces == nil:
		return answer(policy.InNamespace() == w.InNamespace())
	}
	// Every Namespace has this label (k8s.io/api/core/v1, LabelMetadataName).
	const nameLabel = "kubernetes.io/metadata.name"
	labels := Texts{nameLabel: {Value: w.InNamespace()}}
	if ns := s.NamespaceOf(w); ns != nil {
		maps.Copy(labels, ns.Labels)
	} else if !p.namespaces.onlyAbout(nameLabel) {
		return Unknown
	}
	return answer(p.namespaces.Selects(labels))
}

func answer(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// Candidates returns where the rule's peers are among pods, at most: in a
// namespace, with a label "key=value"; empty means any.
func (r *Rule) Candidates(policy *Object) (where [][2]string) {
	if len(r.peers) == 0 {
		return [][2]string{{"", ""}}
	}
	for _, p := range r.peers {
		var at [2]string
		if p.namespaces == nil {
			at[0] = policy.InNamespace()
		}
		if p.pods != nil {
			at[1] = p.pods.Label()
		}
		if !p.addresses {
			where = append(where, at)
		}
	}
	return where
}

// Mentions reports whether the rule names a TCP port by its name.
func (r *Rule) Mentions(name string) bool {
	return slices.ContainsFunc(r.ports, func(p policyPort) bool { return p.port == name && isTCP(p.protocol) })
}

// Covers reports whether all peers of another rule of policies in the same
// namespace are the rule's, too, as far as that can be told without pods.
func (r *Rule) Covers(other *Rule) bool {
	return r.Key == other.Key || len(r.peers) == 0 || slices.ContainsFunc(r.peers, func(p peer) bool {
		switch {
		case p.addresses || p.pods != nil && !p.pods.empty():
			return false
		case p.namespaces == nil:
			return !other.Abroad()
		}
		return p.namespaces.empty()
	})
}

// Abroad reports whether the rule may have peers outside the policy's own
// namespace.
func (r *Rule) Abroad() bool {
	for _, p := range r.peers {
		if p.addresses || p.namespaces != nil {
			return true
		}
	}
	return len(r.peers) == 0
}

// Labelled reports whether the rule names the labels of its peers' pods.
func (r *Rule) Labelled() bool {
	for _, p := range r.peers {
		if p.pods == nil || p.pods.empty() {
			return false
		}
	}
	return len(r.peers) > 0
}

// Addresses reports whether the rule's peers are addresses, and no pods by
// their labels.
func (r *Rule) Addresses() bool {
	for _, p := range r.peers {
		if !p.addresses {
			return false
		}
	}
	return len(r.peers) > 0
}
