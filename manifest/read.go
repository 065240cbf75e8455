package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
)

// maxFile bounds one file: no set of manifests that people keep is as large;
// the dump of a large cluster is.
const maxFile = 32 << 20

// ErrNoObject is returned by Read for a file that holds nothing.
var ErrNoObject = errors.New("no Kubernetes object in it")

// Read adds to the set what a file holds: YAML documents, or JSON objects one
// after the other, and the items of Lists. name is for errors and for Object.
//
// Numbers, booleans and anchors mean what they mean to Kubernetes. The error,
// an InputError, says that the file could not be read or holds no object. A
// document that is not valid is noted in Broken, and the others are read.
func (s *Set) Read(name string, r io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return inputf("%s: %w", name, err)
	case len(data) > maxFile:
		return inputf("%s: it is larger than %d MiB, the most that shunt reads: split it, for example by namespace", name, maxFile>>20)
	}
	s.Files = append(s.Files, name)
	s.Ignores = append(s.Ignores, ignores(name, data)...)
	f := &file{name: name, set: s}
	before := len(s.Objects) + len(s.Others) + len(s.Broken)
	for line, text := range documents(bytes.TrimPrefix(data, []byte("\ufeff"))) { // a byte order mark
		if object := jsonObject(text); object != nil {
			f.json(line+bytes.Count(text[:len(text)-len(object)], []byte("\n")), object)
		} else {
			f.yaml(line, text)
		}
	}
	if before == len(s.Objects)+len(s.Others)+len(s.Broken) {
		return inputf("%s: %w", name, ErrNoObject)
	}
	return nil
}

// ignores returns the comments that silence findings. A comment at the end of a
// line is about that line, one on a line of its own about the next.
func ignores(name string, data []byte) []Comment {
	const mark = "# shunt-lint:ignore "
	if !bytes.Contains(data, []byte(mark)) {
		return nil
	}
	var found []Comment
	pending, line := 0, 0 // comments in found whose next line was not seen
	for text := range bytes.Lines(data) {
		line++
		_, comment, ok := bytes.Cut(text, []byte(mark))
		own := bytes.HasPrefix(bytes.TrimSpace(text), []byte("#"))
		if ok {
			found = append(found, Comment{name, line, 0, strings.TrimSpace(string(comment))})
		}
		if own {
			continue
		}
		for ; pending < len(found); pending++ {
			found[pending].Above = line
		}
	}
	return found
}

// Err returns the first of the broken documents as an InputError, nil if there
// is none.
func (s *Set) Err() error {
	if len(s.Broken) == 0 {
		return nil
	}
	return inputf("%s: %w", s.Broken[0].File, s.Broken[0])
}

func inputf(format string, args ...any) error {
	return &config.InputError{Err: fmt.Errorf(format, args...)}
}

// Broken is a document, or an item of a List, that is not valid.
type Broken struct {
	File   string
	Line   int
	Object string // empty if it is not known
	Text   string // what is wrong

	// Foreign means that it is probably not meant to be a Kubernetes object: it
	// has no kind (a chart's values), or it is a template.
	Foreign bool
}

// Error says all but the file.
func (b *Broken) Error() string {
	text := fmt.Sprintf("line %d: ", b.Line)
	if b.Object != "" {
		text += b.Object + ": "
	}
	return text + b.Text
}

// file is a file while it is read into a set.
type file struct {
	name string
	set  *Set
}

func (f *file) broken(line int, object, text string) {
	f.set.Broken = append(f.set.Broken, &Broken{File: f.name, Line: line, Object: object, Text: text})
}

// foreign notes what is probably not meant to be a Kubernetes object.
func (f *file) foreign(line int, text string) {
	f.set.Broken = append(f.set.Broken, &Broken{File: f.name, Line: line, Text: text, Foreign: true})
}

const looksLikeATemplate = "this looks like a template: render it first, as helm template does"

// documents yields the YAML documents of a file, each with the number of lines
// before it. A line that begins with --- separates them, as it does for kubectl
// (k8s.io/apimachinery, util/yaml); so an error in one does not hide the others.
func documents(data []byte) func(yield func(before int, text []byte) bool) {
	return func(yield func(int, []byte) bool) {
		start, first, line := 0, 0, 0
		for at := 0; at < len(data); line++ {
			end := at + bytes.IndexByte(data[at:], '\n') + 1
			if end == at {
				end = len(data)
			}
			if at > start && isSeparator(data[at:end]) {
				if !yield(first, data[start:at]) {
					return
				}
				start, first = at, line
			}
			at = end
		}
		yield(first, data[start:])
	}
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0)
}

// jsonObject returns a document from its first brace on if it begins as a JSON
// object does, or as one whose template was not rendered; nil if it is YAML.
// YAML has mappings in braces, too, but hardly ever with quoted keys.
func jsonObject(text []byte) []byte {
	if isSeparator(text) {
		separator, _, _ := bytes.Cut(text, []byte("\n"))
		if comment := bytes.TrimSpace(separator[len("---"):]); len(comment) == 0 || comment[0] == '#' {
			text = text[len(separator):]
		}
	}
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("---")), " \t\r\n")
	inside, ok := bytes.CutPrefix(text, []byte("{"))
	inside = bytes.TrimSpace(inside)
	if ok && (len(inside) == 0 || bytes.IndexByte([]byte(`"}{`), inside[0]) >= 0) {
		return text
	}
	return nil
}

// yaml reads a text in which YAML's end mark (...) can still separate
// documents.
func (f *file) yaml(before int, text []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, message := config.YAMLError(err)
			if bytes.Contains(text, []byte("{{")) {
				f.foreign(before+line, looksLikeATemplate)
			} else {
				f.broken(before+line, "", message)
			}
			return
		}
		f.document(before, len(text), document.Content[0])
	}
}

// json splits a text into its objects, for which package encoding/json knows
// the exact place of an error, and reads each as the YAML that it is.
func (f *file) json(before int, text []byte) {
	objects := json.NewDecoder(bytes.NewReader(text))
	counted, line := 0, before // lines up to an offset
	for {
		var raw json.RawMessage
		err := objects.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			f.jsonError(before, text, err)
			return
		}
		start := int(objects.InputOffset()) - len(raw)
		line += bytes.Count(text[counted:start], []byte("\n"))
		counted = start
		f.yaml(line, yamlEscapes(raw))
	}
}

// jsonError says where the error is. Its offset counts from the text's start.
func (f *file) jsonError(before int, text []byte, err error) {
	at := len(bytes.TrimRight(text, " \t\r\n"))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = min(max(int(syntax.Offset)-1, 0), at)
	}
	line := before + bytes.Count(text[:at], []byte("\n")) + 1
	switch {
	case bytes.HasPrefix(text, []byte("{{")):
		f.foreign(line, looksLikeATemplate)
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.broken(line, "", "the JSON ends in the middle of an object")
	default:
		f.broken(line, "", fmt.Sprintf("column %d: %v", at-bytes.LastIndexByte(text[:at], '\n'), err))
	}
}

// yamlEscapes rewrites the escapes of JSON that the YAML library does not
// know: \/ is a plain slash, and a UTF-16 surrogate pair is one character, which YAML writes in eight
// digits. Half a pair becomes the replacement character, as in package
// encoding/json.
func yamlEscapes(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw)+len(raw)/8)
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
