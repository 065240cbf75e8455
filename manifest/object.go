package manifest

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// what says how an object is read.
type what uint8

const (
	anyKind   what = iota // by its shape
	aPod                  // the object itself
	aTemplate             // spec.template
	aCronJob              // spec.jobTemplate.spec.template
	aNamespace
	aService
	aServer
	aPolicy
	aChart
	aList
)

// whatIs says how an object of a kind is read. Kinds of the same name in other
// API groups (Knative's Service) are others; an object without an apiVersion is
// taken for Kubernetes' own.
func whatIs(apiVersion, kind string) what {
	is, group := anyKind, ""
	switch kind {
	case "Pod":
		is = aPod
	case "ReplicationController":
		is = aTemplate
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		is, group = aTemplate, "apps"
	case "Job":
		is, group = aTemplate, "batch"
	case "CronJob":
		is, group = aCronJob, "batch"
	case "Namespace":
		is = aNamespace
	case "Service":
		is = aService
	case "NetworkPolicy":
		is, group = aPolicy, "networking.k8s.io"
	case "Server":
		is, group = aServer, "policy.linkerd.io"
	case "HelmChart", "HelmChartConfig":
		is, group = aChart, "helm.cattle.io"
	case "HelmRelease":
		is, group = aChart, "helm.toolkit.fluxcd.io"
	case "List":
		is = aList
	}
	if given := groupOf(apiVersion); given != group && given != "extensions" && apiVersion != "" {
		return anyKind
	}
	return is
}

// groupOf returns the API group of an apiVersion, empty for the core's ("v1").
func groupOf(apiVersion string) string {
	group, _, found := strings.Cut(apiVersion, "/")
	if !found {
		return ""
	}
	return group
}

// document reads what a document of so many bytes holds. Templates leave empty
// documents behind: they do not count.
func (f *file) document(before, size int, n *yaml.Node) {
	if !isNull(n) {
		f.object(newReader(before, size), n, 0)
	}
}

// object reads one object, or the items of a List; what is wrong with it is
// noted.
func (f *file) object(r *reader, n *yaml.Node, depth int) {
	o := &Object{File: f.name, Line: r.at(n)}
	var apiVersion string
	var metadata, spec, items *yaml.Node
	if n.Kind != yaml.MappingNode {
		r.fail(n, "got %s: want a Kubernetes object, with apiVersion, kind and metadata", config.DescribeYAML(n))
	}
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "apiVersion":
			apiVersion = r.text(v)
		case "kind":
			o.Kind = r.text(v)
		case "metadata":
			metadata = v
		case "spec":
			spec = v
		case "items":
			items = v
		}
	}
	const deepest = 8 // Lists in Lists
	o.Group = groupOf(apiVersion)
	switch is := whatIs(apiVersion, o.Kind); {
	case o.Kind == "":
		r.fail(n, "there is no kind: want a Kubernetes object, with apiVersion, kind and metadata")
	case is != aList:
		f.kind(r, o, is, metadata, spec)
	case depth == deepest:
		r.fail(n, "Lists are nested more than %d deep", deepest)
	default:
		for _, item := range r.items(items) {
			f.object(r, item, depth+1)
		}
	}
	if r.wrong != "" {
		name := ""
		if o.Kind != "" {
			name = o.String()
		}
		switch {
		case r.unrendered:
			f.foreign(r.line, looksLikeATemplate)
		case o.Kind == "" && r.budget >= 0:
			f.foreign(r.line, r.wrong)
		default:
			f.broken(r.line, name, r.wrong)
		}
		r.wrong = ""
	}
}

// kind reads what an object of its kind has, and adds it to the set.
func (f *file) kind(r *reader, o *Object, is what, metadata, spec *yaml.Node) {
	var labels, annotations *yaml.Node
	for _, e := range r.fields(metadata) {
		switch v := e.value; e.name() {
		case "name":
			o.Name = r.text(v)
		case "generateName":
			if name := r.text(v); o.Name == "" && name != "" {
				o.Name = name + "*"
			}
		case "namespace":
			o.Namespace = r.text(v)
		case "labels":
			labels = v
		case "annotations":
			annotations = v
		}
	}
	var templates []template
	switch is {
	case aPod:
		templates = []template{{metadata: metadata, spec: spec}}
	case aTemplate:
		templates = r.template("spec.template", r.field(spec, "template"))
	case aCronJob:
		templates = r.template("spec.jobTemplate.spec.template", r.field(spec, "jobTemplate", "spec", "template"))
	case aPolicy:
		o.Policy = r.policy(spec)
	case aService:
		o.Service = r.service(spec)
	case aServer:
		o.Server = r.server(spec)
	case aChart:
		templates = r.chart(o, spec)
	case anyKind:
		templates = r.templates(nil, "spec", spec, 0)
	}
	o.Labels, o.Annotations = r.texts(labels), r.texts(annotations)
	if (is == anyKind || is == aChart) && len(templates) == 0 && len(o.Values) == 0 && r.wrong == "" {
		f.set.Others = append(f.set.Others, o)
		return
	}
	objects := []*Object{o}
	for i, t := range templates {
		if i > 0 {
			o = new(*o)
			objects = append(objects, o)
		}
		o.PodPath, o.Pod = t.path, r.pod(t)
		if len(templates) > 1 || t.annotations != nil {
			o.Part = strings.TrimPrefix(t.path, "spec.")
		}
	}
	if r.wrong != "" {
		return
	}
	f.set.Objects = append(f.set.Objects, objects...)
	if is == aNamespace {
		if f.set.namespaces == nil {
			f.set.namespaces = map[string]*Object{}
		}
		f.set.namespaces[o.Name] = o
	}
}
