package config

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// Bounds of the search for an error's place, which reads the document's
// beginning again and again.
const (
	maxPlaceDocument = 256 << 10
	maxPlaceLine     = 1000
)

// YAMLError puts the line and the column into what the YAML library says of
// data's syntax: those of the first character with which the text cannot be
// right any more; of a quote or a bracket that is not closed, those where it
// begins. The library keeps the column to itself, and the line that it names is
// for some complaints the one before; so the place is looked for. It is where
// the shortest beginning ends that, like all longer ones, the library complains
// of in the same words. In a long document, or where nothing is found, the
// library's line has to do. Other errors are returned as they are.
func YAMLError(data []byte, err error) error {
	if _, ok := errors.AsType[*yaml.TypeError](err); ok || err == nil {
		return err
	}
	line, text, ok := cutLine(err)
	if !ok {
		return err
	}
	at, ok := placeOf(data, max(line, 1), text)
	if !ok {
		return err
	}
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	return fmt.Errorf("yaml: line %d, column %d: %s", bytes.Count(data[:start], []byte("\n"))+1, utf8.RuneCount(data[start:at])+1, text)
}

// cutLine takes "yaml: line 7: text" apart. On the first line the library
// names none: that is 0. ok is false if it is not an error of the library's.
func cutLine(err error) (line int, text string, ok bool) {
	text, ok = strings.CutPrefix(err.Error(), "yaml: ")
	if rest, numbered := strings.CutPrefix(text, "line "); numbered {
		if number, rest, cut := strings.Cut(rest, ": "); cut {
			if n, err := strconv.Atoi(number); err == nil {
				return n, rest, ok
			}
		}
	}
	return 0, text, ok
}

// placeOf returns the offset of the character that the complaint is about. The
// library has seen it by the end of the line after the one that it names.
func placeOf(data []byte, line int, text string) (at int, ok bool) {
	from := 0
	for range line - 1 {
		from += bytes.IndexByte(data[from:], '\n') + 1
	}
	to := from
	for range 2 {
		if n := bytes.IndexByte(data[to:], '\n'); n >= 0 {
			to += n + 1
		} else {
			to = len(data)
		}
	}
	document := bytes.LastIndex(data[:from], []byte("\n---")) + 1
	if to-document > maxPlaceDocument {
		return 0, false
	}
	complains := func(end int) bool {
		_, said, ok := cutLine(syntaxError(data[document:end]))
		return ok && said == text
	}
	if !complains(to) {
		return 0, false
	}
	// The line first: what is before it is right as far as it goes.
	lines := []int{document} // where each ends
	for end := document; end < to; lines = append(lines, end) {
		if n := bytes.IndexByte(data[end:to], '\n'); n >= 0 {
			end += n + 1
		} else {
			end = to
		}
	}
	wrong := sort.Search(len(lines)-1, func(i int) bool { return complains(lines[i]) })
	if wrong == 0 {
		return 0, false
	}
	start, end := lines[wrong-1], lines[wrong]
	if end-start > maxPlaceLine {
		return 0, false
	}
	for at = end - 1; at >= start; at-- {
		if utf8.RuneStart(data[at]) && !complains(at) {
			return at, true
		}
	}
	return 0, false
}

// syntaxError reads all documents of data and keeps nothing. It returns io.EOF
// if there is nothing to complain of.
func syntaxError(data []byte) error {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	for {
		if err := documents.Decode(new(ignored)); err != nil {
			return err
		}
	}
}

// ignored is a document's content that nobody looks at.
type ignored struct{}

// UnmarshalYAML takes everything.
func (*ignored) UnmarshalYAML(func(any) error) error { return nil }
