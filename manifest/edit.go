package manifest

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// ErrByHand is returned by SetAnnotation where it finds no place that is safe to
// write to.
var ErrByHand = errors.New("the manifest is JSON, or the annotations are an alias or a text of several lines")

// SetAnnotation returns a manifest in which a workload's pods have an
// annotation. o is a workload that was read from the text. Everything else is as
// it was, comments too: the text is changed in one place. The result was read
// again, and means the same but for that annotation. The error is ErrByHand.
func SetAnnotation(text string, o *Object, key, value string) (string, error) {
	e := editor{text: text}
	edited, ok := e.set(e.find(o), key, strconv.Quote(value))
	if !ok || !sameBut(text, edited, o, key, value) {
		return "", ErrByHand
	}
	return edited, nil
}

// editor is a text while a place in it is looked for.
type editor struct {
	text  string
	start int // of the document in the text
}

// find returns the template of a workload's pods, nil if there is none.
func (e *editor) find(o *Object) *yaml.Node {
	for before, document := range documents([]byte(e.text)) {
		if jsonObject(document) == nil {
			d := yaml.NewDecoder(strings.NewReader(string(document)))
			for n := new(yaml.Node); d.Decode(n) == nil; n = new(yaml.Node) {
				if object := onLine(n.Content[0], o.Line-before); object != nil {
					return inside(object, o.PodPath)
				}
			}
		}
		e.start += len(document)
	}
	return nil
}

// onLine returns the object that begins on a line: n, or an item of a List.
func onLine(n *yaml.Node, line int) *yaml.Node {
	if n.Line == line && child(n, "items") == nil {
		return n
	}
	if items := child(n, "items"); items != nil {
		for _, item := range items.Content {
			if found := onLine(item, line); found != nil {
				return found
			}
		}
	}
	return nil
}

// child returns the value of a key in a mapping, nil if it is not there or not
// written there.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// inside returns what is at a path such as spec.nodeSets[0].podTemplate.
func inside(n *yaml.Node, path string) *yaml.Node {
	for part := range strings.SplitSeq(path, ".") {
		if path == "" {
			break
		}
		key, index, isItem := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		if n = child(n, key); isItem {
			i, err := strconv.Atoi(index)
			if err != nil || n == nil || n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return nil
			}
			n = n.Content[i]
		}
	}
	return n
}

// set returns the text with an annotation in a template. value is in quotes.
func (e *editor) set(template *yaml.Node, key, value string) (string, bool) {
	if template == nil || template.Kind != yaml.MappingNode {
		return "", false
	}
	metadata := child(template, "metadata")
	if metadata == nil {
		return e.insert(template, "metadata", "annotations", key, value)
	}
	annotations := child(metadata, "annotations")
	if annotations == nil {
		return e.insert(metadata, "annotations", key, value)
	}
	old := child(annotations, key)
	if old == nil {
		return e.insert(annotations, key, value)
	}
	at := e.offset(old)
	end, ok := e.end(old)
	if !ok {
		return "", false
	}
	return e.text[:at] + value + e.text[end:], true
}

// insert adds a key to a mapping, with keys within it and at last a value.
func (e *editor) insert(n *yaml.Node, parts ...string) (string, bool) {
	at := e.offset(n)
	switch {
	case n.Kind != yaml.MappingNode:
		return "", false
	case n.Style&yaml.FlowStyle != 0:
		last := len(parts) - 1
		text := strings.Join(parts[:last], ": {") + ": " + parts[last] + strings.Repeat("}", last-1)
		if len(n.Content) > 0 {
			text += ", "
		}
		return e.text[:at+1] + text + e.text[at+1:], true
	case len(n.Content) == 0:
		return "", false
	}
	first, last := e.offset(n.Content[0]), n.Content[len(n.Content)-1]
	at = strings.LastIndexByte(e.text[:first], '\n') + 1
	indent := e.text[at:first]
	if strings.Trim(indent, " ") != "" {
		return "", false
	}
	var lines strings.Builder
	for i, part := range parts[:len(parts)-1] {
		if i > 0 {
			lines.WriteByte('\n')
		}
		lines.WriteString(indent + strings.Repeat("  ", i) + part + ":")
	}
	lines.WriteString(" " + parts[len(parts)-1] + "\n")
	if end, ok := e.end(last); ok { // below the others
		if i := strings.IndexByte(e.text[end:], '\n'); i >= 0 {
			at = end + i + 1
		}
	}
	return e.text[:at] + lines.String() + e.text[at:], true
}

// offset returns where a value begins in the text.
func (e *editor) offset(n *yaml.Node) int {
	at := e.start
	for range n.Line - 1 {
		at += strings.IndexByte(e.text[at:], '\n') + 1
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(e.text[at:])
		at += size
	}
	return at
}

// end returns where a text on one line ends; ok is false for everything else.
func (e *editor) end(n *yaml.Node) (end int, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Anchor != "" {
		return 0, false
	}
	at := e.offset(n)
	line, _, _ := strings.Cut(e.text[at:], "\n")
	switch n.Style {
	case 0:
		return at + len(n.Value), strings.HasPrefix(line, n.Value)
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		for i := 1; i < len(line); i++ {
			switch {
			case line[0] == '"' && line[i] == '\\', line[0] == '\'' && strings.HasPrefix(line[i:], "''"):
				i++
			case line[i] == line[0]:
				return at + i + 1, true
			}
		}
	}
	return 0, false
}

// sameBut reports whether two texts mean the same, but for an annotation of a
// workload's pods.
func sameBut(text, edited string, o *Object, key, value string) bool {
	var a, b Set
	if a.Read("", strings.NewReader(text)) != nil || b.Read("", strings.NewReader(edited)) != nil ||
		len(a.Objects) != len(b.Objects) || len(a.Others) != len(b.Others) || len(a.Broken) != len(b.Broken) {
		return false
	}
	found := false
	for i, was := range a.Objects {
		is := b.Objects[i]
		if was.String() != is.String() || was.PodPath != is.PodPath || (was.Pod == nil) != (is.Pod == nil) {
			return false
		}
		own := was.Annotations.Values()
		if was.Pod != nil {
			pod := was.Pod.Annotations.Values()
			if was.Line == o.Line && was.PodPath == o.PodPath {
				found, pod[key] = true, value
				if was.PodPath == "" {
					own[key] = value
				}
			}
			if !maps.Equal(pod, is.Pod.Annotations.Values()) || !maps.Equal(was.Pod.Labels.Values(), is.Pod.Labels.Values()) {
				return false
			}
		}
		if !maps.Equal(own, is.Annotations.Values()) || !maps.Equal(was.Labels.Values(), is.Labels.Values()) {
			return false
		}
	}
	return found
}
