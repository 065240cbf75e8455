package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// reader reads the values of one document. It keeps the first mistake, and
// after one it reads nothing more.
type reader struct {
	before int // lines in the file before the document
	pinned int // the line of everything, if it is not 0
	budget int // values that may still be looked at
	line   int // of the mistake
	wrong  string

	unrendered bool // the mistake is what a template has in place of a value
}

// newReader returns a reader of a document of so many bytes. Without aliases a
// document of n bytes has fewer than n values, each of which is looked at a
// few times at most; with them, a few lines can stand for any number.
func newReader(before, size int) *reader { return &reader{before: before, budget: 1<<16 + 8*size} }

// fail notes a mistake at a value.
func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.wrong == "" {
		r.line, r.wrong = r.at(n), fmt.Sprintf(format, args...)
		// To YAML, {{ x }} is a mapping whose key is a mapping.
		r.unrendered = n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Kind == yaml.MappingNode
	}
}

// at returns a value's line in the file.
func (r *reader) at(n *yaml.Node) int {
	if r.pinned > 0 {
		return r.pinned
	}
	return r.before + n.Line
}

// spend reports whether so many more values may be looked at.
func (r *reader) spend(n *yaml.Node, values int) bool {
	if r.budget -= values; r.budget < 0 {
		r.fail(n, "its anchors and aliases stand for too many values: write out what they stand for")
	}
	return r.wrong == ""
}

// target returns what an alias stands for, and any other value itself.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// isNull reports whether there is no value.
func isNull(n *yaml.Node) bool { return n == nil || config.YAMLTag(n) == config.YAMLNull }

// field is a key of a mapping, and its value.
type field struct {
	key    *yaml.Node
	value  *yaml.Node
	merged bool // it came by a merge key
}

func (f *field) name() string { return f.key.Value }

// fields returns the keys and values of a mapping: first those that a merge key
// (<<, yaml.org/type/merge.html) brings, then its own, so that the last one
// counts. A missing mapping has none.
func (r *reader) fields(n *yaml.Node) []field {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "got %s: want a mapping", config.DescribeYAML(n))
		return nil
	}
	if !r.spend(n, len(n.Content)) {
		return nil
	}
	fields := make([]field, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() == "!!merge" {
			fields = append(r.merge(target(n.Content[i+1])), fields...)
		} else {
			fields = append(fields, field{n.Content[i], target(n.Content[i+1]), false})
		}
	}
	return fields
}

// merge returns what a merge key brings. Of several mappings, the first that
// has a key counts, so it comes last.
func (r *reader) merge(from *yaml.Node) []field {
	mappings := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		mappings = r.items(from)
	}
	var fields []field
	for _, m := range slices.Backward(mappings) {
		fields = append(fields, r.fields(m)...)
	}
	for i := range fields {
		fields[i].merged = true
	}
	return fields
}

// items returns the values of a list. A missing list has none.
func (r *reader) items(n *yaml.Node) []*yaml.Node {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "got %s: want a list", config.DescribeYAML(n))
		return nil
	}
	if !r.spend(n, len(n.Content)) {
		return nil
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = target(item)
	}
	return items
}

// text returns a scalar as it is written.
func (r *reader) text(n *yaml.Node) string {
	switch {
	case isNull(n):
		return ""
	case n.Kind != yaml.ScalarNode:
		r.fail(n, "got %s: want text", config.DescribeYAML(n))
		return ""
	}
	return n.Value
}

// list returns a list of texts.
func (r *reader) list(n *yaml.Node) []string {
	var out []string
	for _, item := range r.items(n) {
		out = append(out, r.text(item))
	}
	return out
}

// flag returns a boolean.
func (r *reader) flag(n *yaml.Node) bool {
	if !isNull(n) && config.YAMLTag(n) != config.YAMLBool {
		r.fail(n, "got %s: want true or false", config.DescribeYAML(n))
	}
	return config.YAMLTrue(n)
}

// port returns a port's number, 0 if there is none.
func (r *reader) port(n *yaml.Node) uint16 {
	if isNull(n) {
		return 0
	}
	number, err := strconv.ParseUint(n.Value, 0, 16)
	if err != nil || config.YAMLTag(n) != config.YAMLNumber {
		r.fail(n, "got %s: want a port from 0 to 65535", config.DescribeYAML(n))
	}
	return uint16(number)
}

// texts returns the labels or annotations of an object. Kubernetes refuses
// values that are not text; of a key that is set twice, one would be lost.
func (r *reader) texts(n *yaml.Node) Texts {
	if isNull(n) {
		return nil
	}
	out := Texts{}
	own := map[string]bool{}
	for _, f := range r.fields(n) {
		key := f.name()
		if own[key] {
			r.fail(f.key, "%s is set twice: one value would be lost", config.Quote(key))
		}
		own[key] = !f.merged
		switch config.YAMLTag(f.value) {
		case config.YAMLString, config.YAMLNull:
			out[key] = Text{r.text(f.value), r.at(f.value)}
		default:
			r.fail(f.value, "%s is %s: Kubernetes takes text only, so write it in quotes", config.Quote(key), config.DescribeYAML(f.value))
		}
	}
	return out
}

// canonical writes any value so that equal ones are written alike.
func (r *reader) canonical(b *strings.Builder, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		var entries []string
		for _, f := range r.fields(n) {
			var entry strings.Builder
			entry.WriteString(strconv.Quote(f.name()) + ":")
			r.canonical(&entry, f.value)
			entries = append(entries, entry.String())
		}
		slices.Sort(entries)
		b.WriteString("{" + strings.Join(entries, ",") + "}")
	case yaml.SequenceNode:
		b.WriteByte('[')
		for _, item := range r.items(n) {
			r.canonical(b, item)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	default:
		b.WriteString(strconv.Quote(n.Value))
	}
}
