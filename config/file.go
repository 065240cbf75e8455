package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file: what a ConfigMap can hold, and small enough
// that a wrong path (a log, a device) is an error before it hits the container's
// memory limit.
const maxFile = 1 << 20

// stdinPath is the path that stands for standard input.
const stdinPath = "-"

// readFile reads the configuration file at path; no path is an empty layer.
func readFile(path string, stdin io.Reader, settings []Setting) (layer, error) {
	if path == "" {
		return make(layer, len(settings)), nil
	}
	source, r := Source("file "+path), stdin
	if path == stdinPath {
		source = "standard input"
	} else {
		file, err := os.Open(path)
		if err != nil {
			return nil, inputf("open %s: %w", source, cause(err))
		}
		defer file.Close() // only read from
		r = file
	}
	data, err := readBounded(r, maxFile)
	if err != nil {
		return nil, inputf("read %s: %w", source, err)
	}
	return parseFile(source, data, settings)
}

// readBounded reads all of r, and no more than a byte above the limit: then it
// returns an error that names the limit.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, cause(err)
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it is larger than %d KiB, the most that shunt reads: is this the right file?", limit>>10)
	}
	return data, nil
}

// cause returns what the system said, without the path that the caller names.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// parseFile reads a YAML or JSON file: one mapping of settings, by shunt's
// names or Linkerd's, to values. A list is a YAML list, a comma list in a
// string, or one number or string. Numbers count as they are written: 0443 is
// 443, not YAML's octal. An empty file gives nothing. Unknown and repeated
// keys, values of a wrong type, and further documents are errors.
func parseFile(source Source, data []byte, settings []Setting) (layer, error) {
	mapping, err := decode(data)
	if err != nil {
		return nil, inputf("%s: %w", source, err)
	}
	l := make(layer, len(settings))
	for n := 0; n < len(mapping); n += 2 {
		key := mapping[n].Value
		i := find(settings, key)
		if i < 0 {
			return nil, unknownKey(key, source, settings)
		}
		s, v := settings[i], Value{Source: source, Key: key}
		switch {
		case len(l[i]) == 0:
		case l[i][0].Key == key:
			return nil, inputf("%s: line %d: %s is set twice: one value would be lost", source, mapping[n].Line, key)
		default:
			return nil, inputf("%s: %s and %s are two names of one setting: give one of them", source, l[i][0].Key, key)
		}
		if v.Text, err = s.textOf(mapping[n+1]); err != nil {
			return nil, v.fault(err)
		}
		l[i] = []Value{v}
	}
	return l, nil
}

func unknownKey(key string, source Source, settings []Setting) error {
	names := make([]string, 0, 2*len(settings))
	for _, s := range settings {
		names = append(names, s.Name)
	}
	known := len(names)
	for _, s := range settings {
		if s.Linkerd != "" {
			names = append(names, s.Linkerd)
		}
	}
	if guess := Suggest(key, names); guess != "" {
		return inputf("unknown key %s in %s: did you mean %q?", Quote(key), source, guess)
	}
	return inputf("unknown key %s in %s: want %s", Quote(key), source, oneOf(names[:known]))
}

// decode returns the keys and values, in turn, of the one mapping that data
// holds. Empty documents do not count: templates leave them behind.
func decode(data []byte) ([]*yaml.Node, error) {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var mapping *yaml.Node
	for {
		var document yaml.Node
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		empty := err == nil && YAMLTag(document.Content[0]) == YAMLNull
		switch {
		case mapping != nil && !empty:
			return nil, errors.New("something follows the end of the first document: want one document")
		case err != nil:
			line, text := YAMLError(err)
			return nil, fmt.Errorf("line %d: %s", line, text)
		case !empty:
			mapping = document.Content[0]
		}
	}
	if mapping == nil {
		return nil, nil
	}
	if mapping.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want a mapping of settings to values, such as skip-inbound-ports: [80, 443]", mapping.Line)
	}
	return mapping.Content, nil
}

// textOf returns a value as Set takes it, or an error if it is of a type that
// the setting cannot have.
func (s Setting) textOf(n *yaml.Node) (string, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	text, ok := n.Value, false
	switch tag := YAMLTag(n); s.Kind {
	case KindBool:
		ok, text = tag == YAMLBool, strconv.FormatBool(YAMLTrue(n))
	case KindChoice, KindDuration:
		ok = tag == YAMLString
	default:
		ok = tag == YAMLNumber || tag == YAMLString
		if tag == YAMLList && s.Kind.isList() {
			if text, ok = joinWords(n.Content); !ok {
				return "", fmt.Errorf("got a list of more than numbers and strings: want %s", s.wants())
			}
		}
	}
	if !ok {
		return "", fmt.Errorf("got %s: want %s", DescribeYAML(n), s.wants())
	}
	return text, nil
}

// joinWords makes a comma list of a flat one.
func joinWords(list []*yaml.Node) (text string, flat bool) {
	words := make([]string, len(list))
	for i, n := range list {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.ScalarNode {
			return "", false
		}
		words[i] = n.Value
	}
	return strings.Join(words, ","), true
}
