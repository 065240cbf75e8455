package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Selector selects objects by their labels (LabelSelector of
// k8s.io/apimachinery, meta/v1). An empty one selects all.
type Selector struct {
	labels      map[string]string
	expressions []expression
}

// expression is one of a selector's matchExpressions.
type expression struct {
	key, operator string
	values        []string
}

// selector reads a selector; a missing one is empty.
func (r *reader) selector(n *yaml.Node) *Selector {
	s := &Selector{}
	for _, e := range r.fields(n) {
		switch v := e.value; e.name() {
		case "matchLabels":
			s.labels = r.plain(v)
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
				s.expressions = append(s.expressions, x)
			}
		}
	}
	return s
}

// plain returns a mapping of texts whose lines do not matter.
func (r *reader) plain(n *yaml.Node) map[string]string {
	out := map[string]string{}
	for _, e := range r.fields(n) {
		out[e.name()] = r.text(e.value)
	}
	return out
}

// Selects reports whether an object with these labels is selected. An unknown
// operator selects nothing.
func (s *Selector) Selects(labels Texts) bool {
	for key, value := range s.labels {
		if got, ok := labels[key]; !ok || got.Value != value {
			return false
		}
	}
	for _, e := range s.expressions {
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

// Label returns a label that every selected object has, "key=value", empty if
// the selector names none.
func (s *Selector) Label() string { return firstLabel(s.labels) }

// firstLabel returns the first of some labels by their keys, "key=value", empty
// if there is none.
func firstLabel(labels map[string]string) string {
	first := ""
	for key := range labels {
		if first == "" || key < first {
			first = key
		}
	}
	if first == "" {
		return ""
	}
	return first + "=" + labels[first]
}

// empty reports whether the selector selects all.
func (s *Selector) empty() bool { return len(s.labels)+len(s.expressions) == 0 }

// onlyAbout reports whether the selector looks at no other label.
func (s *Selector) onlyAbout(label string) bool {
	for key := range s.labels {
		if key != label {
			return false
		}
	}
	return !slices.ContainsFunc(s.expressions, func(e expression) bool { return e.key != label })
}
