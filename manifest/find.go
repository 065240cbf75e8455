package manifest

import (
	"strings"

	"shunt/config"
)

// Find returns the workload that a name KIND/NAME means, or NAMESPACE/KIND/NAME
// if several namespaces have one; without a name, the only workload. The case of
// the kind is ignored. The error is an InputError that lists the workloads.
func (s *Set) Find(name string) (*Object, error) {
	var found []*Object
	var names []string
	for _, w := range s.Workloads() {
		short := w.Kind + "/" + w.Name
		if full := w.InNamespace() + "/" + short; name == "" || same(name, short) || same(name, full) {
			short, found = full, append(found, w)
		}
		names = append(names, short)
	}
	if len(found) == 1 {
		return found[0], nil
	}
	const most = 5
	list := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		list += " and others"
	}
	switch guess := config.Suggest(name, names); {
	case len(names) == 0:
		return nil, inputf("the files contain no workload")
	case len(found) > 1:
		return nil, inputf("which workload? give --workload, one of %s", list)
	case guess != "":
		return nil, inputf("workload %s not found: did you mean %s?", name, guess)
	}
	return nil, inputf("workload %s not found: the files contain %s", name, list)
}

// same compares names, ignoring the case of the kind.
func same(a, b string) bool {
	i, j := strings.LastIndexByte(a, '/')+1, strings.LastIndexByte(b, '/')+1
	return a[i:] == b[j:] && strings.EqualFold(a[:i], b[:j])
}
