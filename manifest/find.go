package manifest

import (
	"slices"
	"strings"

	"shunt/config"
)

// Find returns the workload that a name means, written as kubectl's users do:
// NAME, KIND/NAME, NAMESPACE/NAME or NAMESPACE/KIND/NAME, with the kind in any
// case, in the plural, with its group or by its short name; or as String prints
// it. Without a name it is the only workload. The error is an InputError that
// lists the workloads.
func (s *Set) Find(name string) (*Object, error) {
	var found []*Object
	for _, w := range s.Workloads() {
		if name == "" || w.is(name) {
			found = append(found, w)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	names := s.Names()
	switch guess := config.Suggest(name, names); {
	case len(names) == 0:
		return nil, inputf("the files contain no workload")
	case len(found) > 1:
		var full []string
		for _, w := range found {
			full = append(full, w.fullName())
		}
		return nil, inputf("which workload? give --workload, one of %s", listed(full))
	case guess != "":
		return nil, inputf("workload %s not found: did you mean %s?", name, guess)
	}
	return nil, inputf("workload %s not found: the files contain %s", name, listed(names))
}

// Names returns a name for each workload that means no other.
func (s *Set) Names() []string {
	var names []string
	all := s.Workloads()
	alike := map[string][]*Object{} // by what has to be equal: there can be thousands
	for _, w := range all {
		alike[w.Name] = append(alike[w.Name], w)
	}
	for _, w := range all {
		name := w.Kind + "/" + w.Name
		if slices.ContainsFunc(alike[w.Name], func(o *Object) bool { return o != w && o.is(name) }) {
			name = w.fullName()
		}
		names = append(names, name)
	}
	return names
}

func listed(names []string) string {
	const most = 5
	text := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		text += " and others"
	}
	return text
}

// fullName is the longest name that is understands.
func (o *Object) fullName() string {
	name := o.InNamespace() + "/" + o.Kind + "/" + o.Name
	if o.Part != "" {
		name += " (" + o.Part + ")"
	}
	return name
}

// is reports whether a name means the workload: the last part is its own name,
// what stands before that its kind or its namespace.
func (o *Object) is(name string) bool {
	name, part, _ := strings.Cut(name, " (")
	parts := strings.Split(strings.Replace(name, " ", "/", 1), "/")
	last := len(parts) - 1
	if parts[last] != o.Name || part != "" && part != o.Part+")" {
		return false
	}
	for i, p := range parts[:last] {
		if i > 1 || !isKind(p, o.Kind) && p != o.InNamespace() {
			return false
		}
	}
	return true
}

// isKind reports whether kubectl takes a word for a kind.
func isKind(word, kind string) bool {
	word, _, _ = strings.Cut(strings.ToLower(word), ".") // deployments.apps
	kind = strings.ToLower(kind)
	switch word {
	case kind, kind + "s":
		return true
	case "po":
		return kind == "pod"
	case "deploy":
		return kind == "deployment"
	case "ds":
		return kind == "daemonset"
	case "sts":
		return kind == "statefulset"
	case "rs":
		return kind == "replicaset"
	case "rc":
		return kind == "replicationcontroller"
	case "cj":
		return kind == "cronjob"
	}
	return false
}
