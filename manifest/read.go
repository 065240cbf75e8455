package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	yaml "sigs.k8s.io/yaml/goyaml.v2"

	"shunt/config"
)

// maxFile bounds one file. Decoding one of this size takes some 4 seconds and
// 1 GiB of memory (measured), and no set of manifests that people keep is as
// large; the dump of a large cluster is.
const maxFile = 32 << 20

// Read adds to the set what a file holds: YAML documents, or JSON objects one
// after the other, and the items of Lists. name is for errors and for Object.
//
// Numbers, booleans and anchors mean what they mean to Kubernetes, which uses
// the same library. A file that holds no object at all, a document that is
// none, an annotation that is no text and a field of a wrong type are
// InputErrors that say where; the set is then as it was.
func (s *Set) Read(name string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d MiB: split it, for example by namespace", maxFile>>20)
	}
	var objects []*Object
	if err == nil {
		objects, err = decode(bytes.TrimPrefix(data, []byte("\ufeff"))) // a byte order mark
	}
	if err == nil && len(objects) == 0 {
		err = errors.New("holds no Kubernetes object")
	}
	if err != nil {
		return inputf("%s: %w", name, err)
	}
	if s.namespaces == nil {
		s.namespaces = map[string]*Object{}
	}
	for _, o := range objects {
		o.File = name
		switch o.what {
		case unread:
			s.Skipped = append(s.Skipped, o)
			continue
		case aNamespace:
			s.namespaces[o.Name] = o
		}
		s.Objects = append(s.Objects, o)
	}
	return nil
}

func inputf(format string, args ...any) error {
	return &config.InputError{Err: fmt.Errorf(format, args...)}
}

// decode returns the objects of a file.
func decode(data []byte) ([]*Object, error) {
	if isJSON(bytes.TrimSpace(data)) {
		return all(jsonObjects(data))
	}
	return all(yamlDocuments(data))
}

// isJSON reports whether a file begins as a JSON object does, or as one whose
// template was not rendered. YAML has mappings in braces, too, but hardly ever
// with quoted keys.
func isJSON(data []byte) bool {
	inside, ok := bytes.CutPrefix(data, []byte("{"))
	inside = bytes.TrimSpace(inside)
	return ok && (len(inside) == 0 || bytes.IndexByte([]byte(`"}{`), inside[0]) >= 0)
}

// all returns the objects until io.EOF.
func all(next func(**Object) error) ([]*Object, error) {
	var all []*Object
	for {
		var o *Object
		err := next(&o)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if o != nil { // empty documents do not count
			if all, err = flatten(all, o); err != nil {
				return nil, err
			}
		}
	}
}

// flatten appends an object, or the items of a List.
func flatten(all []*Object, o *Object) ([]*Object, error) {
	switch {
	case o == nil:
		return nil, errors.New("an item of a List is empty: want Kubernetes objects")
	case o.Kind == "":
		return nil, fmt.Errorf("line %d: this has no kind: want Kubernetes objects, with apiVersion, kind and metadata", o.Line)
	case o.what != aList:
		return append(all, o), nil
	}
	for _, item := range o.items {
		var err error
		if all, err = flatten(all, item); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func yamlDocuments(data []byte) func(**Object) error {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	return func(o **Object) error { return readable(config.YAMLError(data, documents.Decode(o))) }
}

// jsonObjects splits a file into its objects, for which package encoding/json
// knows the exact place of an error, and decodes each as the YAML that it is,
// as far down as it stands in the file.
func jsonObjects(data []byte) func(**Object) error {
	split := json.NewDecoder(bytes.NewReader(data))
	return func(o **Object) error {
		var raw json.RawMessage
		if err := split.Decode(&raw); err != nil {
			return jsonError(data, err)
		}
		var text []byte
		for _, c := range data[:int(split.InputOffset())-len(raw)] {
			if c == '\n' {
				text = append(text, c)
			}
		}
		return readable(yaml.NewDecoder(bytes.NewReader(yamlEscapes(text, raw))).Decode(o))
	}
}

// jsonError says where the error is. Its offset counts from the file's start.
func jsonError(data []byte, err error) error {
	if err == io.EOF {
		return err
	}
	at := len(data)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(max(int(syntax.Offset)-1, 0), at)
	}
	switch {
	case bytes.HasPrefix(data, []byte("{{")):
		err = errors.New("this looks like a template: render it first, as helm template does")
	case err == io.ErrUnexpectedEOF:
		err = errors.New("the JSON ends in the middle")
	}
	return fmt.Errorf("line %d, column %d: %w", bytes.Count(data[:at], []byte("\n"))+1, at-bytes.LastIndexByte(data[:at], '\n'), err)
}

// yamlEscapes rewrites the escapes of JSON that the YAML library does not know:
// \/ is a plain slash, and a UTF-16 surrogate pair is one character, which
// YAML writes in eight digits. Half a pair becomes the replacement character,
// as in package encoding/json. It appends to out.
func yamlEscapes(out, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 == len(raw) {
			out = append(out, raw[i])
			continue
		}
		high, low := surrogate(raw[i:]), rune(0)
		if i+6 < len(raw) {
			low = surrogate(raw[i+6:])
		}
		switch {
		case raw[i+1] == '/':
			out = append(out, '/')
			i++
		case high == 0:
			out = append(out, raw[i], raw[i+1]) // both, so that \\ is not taken apart
			i++
		case high < 0xdc00 && low >= 0xdc00:
			out = fmt.Appendf(out, `\U%08X`, (high-0xd800)<<10+low-0xdc00+0x10000)
			i += 11
		default:
			out = append(out, `\uFFFD`...)
			i += 5
		}
	}
	return out
}

// surrogate reads an escape \uXXXX at the start of b, and returns 0 unless it
// is half of a surrogate pair (RFC 8259, section 7).
func surrogate(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	code, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil || code < 0xd800 || code > 0xdfff {
		return 0
	}
	return rune(code)
}
