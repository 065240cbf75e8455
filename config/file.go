package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// maxFile bounds a configuration file: enough for 150,000 IPv6 subnets, and
// little enough that a wrong path (a log, a device) ends in an error before
// it ends in the container's memory limit.
const maxFile = 8 << 20

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
	var data bytes.Buffer
	data.Grow(1 << 16) // a list of 10,000 ports
	if _, err := data.ReadFrom(io.LimitReader(r, maxFile+1)); err != nil {
		return nil, inputf("read %s: %w", source, cause(err))
	}
	return parseFile(source, data.Bytes(), settings)
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
	if len(data) > maxFile {
		return nil, inputf("%s is larger than %d MiB: want a file of settings", source, maxFile>>20)
	}
	entries, err := decode(data)
	if err != nil {
		return nil, inputf("%s: %w", source, err)
	}
	l := make(layer, len(settings))
	for _, key := range slices.Sorted(maps.Keys(entries)) { // errors in the same order every time
		i := find(settings, key)
		if i < 0 {
			return nil, unknownKey(key, source, settings)
		}
		s, v := settings[i], Value{Source: source, Key: key}
		if len(l[i]) > 0 {
			return nil, inputf("%s: %s and %s are two names of one setting: give one of them", source, l[i][0].Key, key)
		}
		if v.Text, err = entries[key].text(s); err != nil {
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
		return inputf("unknown key %s in %s: did you mean %q?", quote(key), source, guess)
	}
	return inputf("unknown key %s in %s: want %s", quote(key), source, oneOf(names[:known]))
}

// decode returns the mapping that data holds. Empty documents do not count:
// templates leave them behind.
func decode(data []byte) (map[string]fileValue, error) {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	documents.SetStrict(true)
	var entries map[string]fileValue
	for {
		var document map[string]fileValue
		err := documents.Decode(&document)
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		switch {
		case entries != nil && (err != nil || document != nil):
			return nil, errors.New("something follows the end of the first document: want one document")
		case err != nil:
			return nil, yamlError(YAMLError(data, err))
		case document != nil:
			entries = document
		}
	}
}

// yamlError keeps the first complaint, with its line, and puts it in the
// operator's terms.
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = wrong.Errors[0]
	}
	if line, _, ok := strings.Cut(text, " cannot unmarshal"); ok {
		return fmt.Errorf("%s want a mapping of settings to values, such as skip-inbound-ports: [80, 443]", line)
	}
	const most = 200 // the text can quote a key of any length
	text = strings.Join(strings.Fields(text), " ")
	return errors.New(strings.ToValidUTF8(text[:min(most, len(text))], ""))
}

// fileValue is a value as it is written in a file.
type fileValue struct {
	shape shape
	words []string // a list's elements, or the one scalar
}

// shape is what a fileValue is.
type shape int

const (
	nothing shape = iota // null, or no value after the colon
	aBool
	aNumber
	aString
	aList
	somethingElse // a mapping, or a list of lists
)

// UnmarshalYAML keeps the text of numbers, which decoding would change.
func (v *fileValue) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&v.words) == nil && len(v.words) > 0 {
		v.shape = aList
		return nil
	}
	var decoded any
	if err := unmarshal(&decoded); err != nil {
		return err
	}
	switch decoded := decoded.(type) {
	case nil: // NULL, which decodes into an empty list above
		return nil
	case []any:
		v.shape = somethingElse
		if len(decoded) == 0 {
			v.shape = aList
		}
		return nil
	case bool: // yes and on are true in YAML
		v.shape, v.words = aBool, []string{strconv.FormatBool(decoded)}
		return nil
	case int, int64, uint64, float64:
		v.shape = aNumber
	case string:
		v.shape = aString
	default:
		v.shape = somethingElse
		return nil
	}
	v.words = make([]string, 1)
	return unmarshal(&v.words[0])
}

// text returns the value as Set takes it, or an error if it is of a type that
// the setting cannot have.
func (v fileValue) text(s Setting) (string, error) {
	ok := false
	switch s.Kind {
	case KindBool:
		ok = v.shape == aBool
	case KindChoice, KindDuration:
		ok = v.shape == aString
	default:
		ok = v.shape == aNumber || v.shape == aString || v.shape == aList && s.Kind.isList()
	}
	if !ok {
		return "", fmt.Errorf("got %s: want %s", v, s.wants())
	}
	return strings.Join(v.words, ","), nil
}

// String names what the value is, for errors.
func (v fileValue) String() string {
	switch v.shape {
	case nothing:
		return "no value"
	case aBool:
		return "the boolean " + v.words[0]
	case aNumber:
		return "the number " + quote(v.words[0])
	case aString:
		return "the text " + quote(v.words[0])
	case aList:
		return "a list"
	}
	return "something that is neither a value nor a flat list"
}
