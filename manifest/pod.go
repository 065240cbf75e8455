package manifest

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template is a pod's metadata and spec, and where in the object they are.
type template struct {
	path           string // "spec.template"
	metadata, spec *yaml.Node

	// Of a chart's values there is nothing but annotations.
	annotations *yaml.Node
	lines       *reader // that reads them
}

// template returns the pod template n, which may be missing.
func (r *reader) template(path string, n *yaml.Node) []template {
	t := template{path: path}
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "metadata":
			t.metadata = v
		case "spec":
			t.spec = v
		}
	}
	return []template{t}
}

// templates appends the pod templates in an object of any kind, which are
// known by their shape: a template with spec.containers (Argo's Rollout,
// Knative's Service), or a podTemplate with metadata or a spec (ECK's
// Elasticsearch, Flink).
func (r *reader) templates(found []template, path string, n *yaml.Node, depth int) []template {
	const deepest = 8
	switch {
	case n == nil || depth == deepest:
	case n.Kind == yaml.SequenceNode:
		for i, item := range r.items(n) {
			found = r.templates(found, fmt.Sprintf("%s[%d]", path, i), item, depth+1)
		}
	case n.Kind == yaml.MappingNode:
		for _, e := range r.fields(n) {
			key, v := e.name(), e.value
			at := path + "." + key
			if strings.HasSuffix(strings.ToLower(key), "template") && v.Kind == yaml.MappingNode {
				t := r.template(at, v)
				spec := t[0].spec
				if c := r.field(spec, "containers"); c != nil && c.Kind == yaml.SequenceNode ||
					strings.EqualFold(key, "podTemplate") && (spec != nil || t[0].metadata != nil) {
					found = append(found, t...)
					continue
				}
			}
			found = r.templates(found, at, v, depth+1)
		}
	}
	return found
}

// field returns what is at a path of keys, nil if there is nothing.
func (r *reader) field(n *yaml.Node, path ...string) *yaml.Node {
	for _, name := range path {
		var found *yaml.Node
		for _, e := range r.fields(n) {
			if e.name() == name {
				found = e.value
			}
		}
		n = found
	}
	return n
}

// pod reads a template.
func (r *reader) pod(t template) *Pod {
	if t.annotations != nil {
		p := &Pod{Annotations: t.lines.texts(t.annotations), AnnotationsPath: t.path}
		if t.lines.wrong != "" && r.wrong == "" {
			r.line, r.wrong = t.lines.line, t.lines.wrong
		}
		return p
	}
	p := &Pod{
		Labels:          r.texts(r.field(t.metadata, "labels")),
		Annotations:     r.texts(r.field(t.metadata, "annotations")),
		AnnotationsPath: strings.TrimPrefix(t.path+".metadata.annotations", "."),
	}
	var containers []Container
	for _, e := range r.fields(t.spec) {
		switch v := e.value; e.name() {
		case "hostNetwork":
			p.HostNetwork = r.flag(v)
		case "automountServiceAccountToken":
			p.NoToken = !isNull(v) && !r.flag(v)
		case "initContainers":
			p.Containers = r.containers(v, true)
		case "containers":
			containers = r.containers(v, false)
		}
	}
	p.Containers = append(p.Containers, containers...)
	return p
}

func (r *reader) containers(list *yaml.Node, init bool) []Container {
	var out []Container
	for _, item := range r.items(list) {
		c := Container{Init: init}
		for _, e := range r.fields(item) {
			switch v := e.value; e.name() {
			case "name":
				c.Name = r.text(v)
			case "image":
				c.Image = r.text(v)
			case "command":
				c.Command = r.list(v)
			case "args":
				c.Args = r.list(v)
			case "env":
				r.environment(&c, v)
			case "restartPolicy":
				c.Sidecar = init && r.text(v) == "Always"
			case "ports":
				c.Ports = r.ports(v)
			}
		}
		out = append(out, c)
	}
	return out
}

// environment reads the variables that hold a text, and the names of those
// that hold the pod's address.
func (r *reader) environment(c *Container, list *yaml.Node) {
	for _, item := range r.items(list) {
		var v Variable
		var from *yaml.Node
		for _, e := range r.fields(item) {
			switch n := e.value; e.name() {
			case "name":
				v.Name = r.text(n)
			case "value":
				v.Value = Text{r.text(n), r.at(n)}
			case "valueFrom":
				from = r.field(n, "fieldRef", "fieldPath")
			}
		}
		switch {
		case from != nil && (from.Value == "status.podIP" || from.Value == "status.podIPs"):
			c.PodIP = append(c.PodIP, v.Name)
		case v.Value.Value != "":
			c.Env = append(c.Env, v)
		}
	}
}

// ports reads the TCP ports that a container exposes.
func (r *reader) ports(list *yaml.Node) []ContainerPort {
	var out []ContainerPort
	for _, item := range r.items(list) {
		var p ContainerPort
		var protocol string
		for _, e := range r.fields(item) {
			switch v := e.value; e.name() {
			case "name":
				p.Name = r.text(v)
			case "containerPort":
				p.Number = r.port(v)
			case "protocol":
				protocol = r.text(v)
			}
		}
		if p.Number != 0 && isTCP(protocol) {
			out = append(out, p)
		}
	}
	return out
}

// isTCP reports whether a port's protocol is TCP, which it is by default.
func isTCP(protocol string) bool { return protocol == "" || protocol == "TCP" }
