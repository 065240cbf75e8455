package manifest

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// Values are annotations in a chart's values, where the chart puts them on
// something other than pods.
type Values struct {
	Path        string // "spec.values.service.annotations"
	Annotations Texts
}

// chart reads an object that installs a Helm chart: HelmChart and
// HelmChartConfig of k3s, whose values are a text (helm.cattle.io/v1,
// valuesContent), and Flux's HelmRelease. The chart is not there, so of its
// values the annotations count, by the keys that charts have for them. It
// returns the annotations of pods as templates without a spec.
func (r *reader) chart(o *Object, spec *yaml.Node) []template {
	var found []template
	for _, e := range r.fields(spec) {
		switch v := e.value; e.name() {
		case "targetNamespace": // where the chart's objects go
			if name := r.text(v); name != "" {
				o.Namespace = name
			}
		case "values":
			found = r.values(found, o, "spec.values", v, 0)
		case "valuesContent":
			if inner, values := r.embedded(v); values != nil {
				found = inner.values(found, o, "spec.valuesContent", values, 0)
				if inner.wrong != "" && r.wrong == "" {
					r.line, r.wrong = inner.line, inner.wrong
				}
			}
		}
	}
	return found
}

// embedded reads the YAML in a text, nil if there is none or it is a template.
// In a block the lines are the file's; otherwise all of it is on the text's.
func (r *reader) embedded(n *yaml.Node) (inner *reader, values *yaml.Node) {
	text := r.text(n)
	inner = newReader(r.at(n), len(text))
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		inner.pinned = r.at(n)
	}
	var document yaml.Node
	err := yaml.NewDecoder(strings.NewReader(text)).Decode(&document)
	switch {
	case errors.Is(err, io.EOF):
		return inner, nil
	case err != nil && strings.Contains(text, "{{"):
		return inner, nil
	case err != nil:
		line, message := config.YAMLError(err)
		r.fail(n, "line %d of the text: %s", line, message)
		return inner, nil
	}
	return inner, document.Content[0]
}

// values looks for annotations in a chart's values: those of pods are appended
// to found, and others noted in the object.
func (r *reader) values(found []template, o *Object, path string, n *yaml.Node, depth int) []template {
	const deepest = 16
	if depth == deepest || n.Kind != yaml.MappingNode {
		return found
	}
	for _, e := range r.fields(n) {
		key, v, at := strings.ToLower(e.name()), e.value, path+"."+e.name()
		switch {
		case v.Kind != yaml.MappingNode:
		case !strings.HasSuffix(key, "annotations"):
			found = r.values(found, o, at, v, depth+1)
		case !mentionsMesh(v):
		case strings.HasPrefix(key, "pod") || strings.HasPrefix(lastKey(path), "pod"):
			found = append(found, template{path: at, annotations: v, lines: r})
		default:
			o.Values = append(o.Values, Values{at, r.texts(v)})
		}
	}
	return found
}

// lastKey returns the last key of a path, in lower case.
func lastKey(path string) string {
	return strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
}

// mentionsMesh reports whether a mapping has keys that may be Linkerd's or
// shunt's, even misspelt ones.
func mentionsMesh(n *yaml.Node) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if key := []byte(n.Content[i].Value); bytes.Contains(key, []byte("link")) || bytes.HasPrefix(key, []byte("shunt/")) {
			return true
		}
	}
	return false
}
