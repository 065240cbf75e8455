package manifest

import (
	"fmt"
	"strconv"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// UnmarshalYAML refuses what Kubernetes refuses: values that are no text, and
// a key that stands twice, of which one would be lost.
func (a *Annotations) UnmarshalYAML(unmarshal func(any) error) error {
	var values map[string]scalar
	if err := unmarshal(&values); err != nil {
		return err
	}
	var entries yaml.MapSlice
	if err := unmarshal(&entries); err != nil {
		return err
	}
	*a = make(Annotations, len(values))
	for _, e := range entries {
		key := fmt.Sprint(e.Key)
		v := values[key]
		if v.not != "" {
			return fmt.Errorf("line %d: annotation %s is %s: Kubernetes takes text only, write it in quotes", v.line, quote(key), v.not)
		}
		if _, twice := (*a)[key]; twice {
			return fmt.Errorf("line %d: annotation %s stands there twice, and one of the two would be lost", v.line, quote(key))
		}
		(*a)[key] = Annotation{v.text, v.line}
	}
	for key, v := range values { // what a merge key (<<) brought
		if _, ok := (*a)[key]; !ok && v.not == "" {
			(*a)[key] = Annotation{v.text, v.line}
		}
	}
	return nil
}

// scalar is a value that should be a text.
type scalar struct {
	text string
	line int
	not  string // what it is instead
}

// UnmarshalYAML never fails on a value of another type: the caller knows its
// key, and says both. Null is not decoded: it is empty, as in Kubernetes.
func (s *scalar) UnmarshalYAML(unmarshal func(any) error) error {
	s.line = lineOf(unmarshal)
	var v any
	if err := unmarshal(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		s.text = v
	case bool:
		s.not = "the boolean " + strconv.FormatBool(v)
	case int, int64, uint64, float64:
		s.not = fmt.Sprint("the number ", v)
	default:
		s.not = "a list or a mapping"
	}
	return nil
}

// quote shows a key in an error, on one line.
func quote(key string) string {
	const most = 100
	return strconv.Quote(key[:min(most, len(key))])
}
