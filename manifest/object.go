package manifest

import (
	"strconv"
	"strings"
)

// what says how an object is read.
type what uint8

const (
	unread what = iota
	aPod
	aTemplate // spec.template
	aCronJob  // spec.jobTemplate.spec.template
	aNamespace
	aService
	aPolicy
	aList
)

// whatIs says how an object of a kind is read. Kinds of the same name in other
// API groups (Knative's Service) are not; an object without an apiVersion is
// taken for Kubernetes' own.
func whatIs(apiVersion, kind string) what {
	is, group := unread, ""
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
	case "List":
		is = aList
	}
	given, _, found := strings.Cut(apiVersion, "/")
	if !found {
		given = "" // the core group: "v1"
	}
	if given != group && given != "extensions" && apiVersion != "" {
		return unread
	}
	return is
}

// head is what an object of any kind has.
type head struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name, Namespace string
		GenerateName    string `yaml:"generateName"`
	}
}

type metadata struct {
	Labels      map[string]string
	Annotations Annotations
}

// body has the fields of all kinds that are read.
type body struct {
	Metadata metadata
	Spec     struct {
		podSpec     `yaml:",inline"` // of a Pod
		Template    podTemplate
		JobTemplate struct {
			Spec struct{ Template podTemplate }
		} `yaml:"jobTemplate"`
	}
}

type podTemplate struct {
	Metadata metadata
	Spec     podSpec
}

type podSpec struct {
	HostNetwork    bool  `yaml:"hostNetwork"`
	Token          *bool `yaml:"automountServiceAccountToken"`
	Containers     []container
	InitContainers []container `yaml:"initContainers"`
}

type container struct {
	Name, Image   string
	RestartPolicy string `yaml:"restartPolicy"`
	Ports         []struct {
		Name     string
		Port     uint16 `yaml:"containerPort"`
		Protocol string
	}
}

// UnmarshalYAML reads the fields that every object has, then those that its
// kind has. Of a kind that is not read, nothing else is looked at.
func (o *Object) UnmarshalYAML(unmarshal func(any) error) error {
	o.Line = lineOf(unmarshal)
	var h head
	if err := unmarshal(&h); err != nil {
		return err
	}
	o.Kind, o.Namespace, o.Name = h.Kind, h.Metadata.Namespace, h.Metadata.Name
	if o.Name == "" && h.Metadata.GenerateName != "" {
		o.Name = h.Metadata.GenerateName + "*"
	}
	o.what = whatIs(h.APIVersion, h.Kind)
	switch o.what {
	case unread:
		return nil
	case aList:
		var list struct{ Items []*Object }
		err := unmarshal(&list)
		o.items = list.Items
		return err
	}
	return within(o, o.body(unmarshal))
}

func (o *Object) body(unmarshal func(any) error) error {
	if o.what == aNamespace || o.what == aService || o.what == aPolicy {
		var b struct{ Metadata metadata }
		err := unmarshal(&b)
		o.Labels, o.Annotations = b.Metadata.Labels, b.Metadata.Annotations
		if err == nil && o.what == aPolicy {
			o.Policy, err = policy(unmarshal)
		}
		return err
	}
	var b body
	err := unmarshal(&b)
	o.Labels, o.Annotations = b.Metadata.Labels, b.Metadata.Annotations
	t := &b.Spec.Template
	switch o.what {
	case aPod:
		t = &podTemplate{b.Metadata, b.Spec.podSpec}
	case aTemplate:
		o.PodPath = "spec.template"
	case aCronJob:
		o.PodPath = "spec.jobTemplate.spec.template"
		t = &b.Spec.JobTemplate.Spec.Template
	}
	o.Pod = &Pod{
		Labels:      t.Metadata.Labels,
		Annotations: t.Metadata.Annotations,
		HostNetwork: t.Spec.HostNetwork,
		NoToken:     t.Spec.Token != nil && !*t.Spec.Token,
	}
	o.Pod.add(t.Spec.InitContainers, true)
	o.Pod.add(t.Spec.Containers, false)
	return err
}

func (p *Pod) add(list []container, init bool) {
	for i := range list {
		c := &list[i]
		out := Container{Name: c.Name, Image: c.Image, Init: init, Sidecar: init && c.RestartPolicy == "Always"}
		for _, port := range c.Ports {
			if port.Port != 0 && isTCP(port.Protocol) {
				out.Ports = append(out.Ports, ContainerPort{port.Name, port.Port})
			}
		}
		p.Containers = append(p.Containers, out)
	}
}

// isTCP reports whether a port's protocol is TCP, which it is by default.
func isTCP(protocol string) bool { return protocol == "" || protocol == "TCP" }

// lineOf returns the line of the value that unmarshal decodes, 0 if it is not
// known. The library tells lines in its type errors only, so this makes one:
// nothing can be decoded into a channel.
func lineOf(unmarshal func(any) error) int {
	var never chan struct{}
	err := unmarshal(&never)
	if err == nil {
		return 0
	}
	_, text, _ := strings.Cut(err.Error(), "line ")
	number, _, _ := strings.Cut(text, ":")
	line, _ := strconv.Atoi(number)
	return line
}
