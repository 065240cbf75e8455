package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// placeBudget bounds the search for an error's place, which reads the
// document's beginning again and again: so many bytes in all, some tenths of a
// second.
const placeBudget = 8 << 20

// YAMLError puts the line and the column into what the YAML library says of
// data's syntax: those of the first character with which the text cannot be
// right any more; of a quote that is not closed, those where it begins. The
// library keeps the column to itself, and the line that it names is for some
// complaints the one before; so the place is looked for. It is where the
// shortest beginning ends that, like all longer ones, the library complains of
// in the same words. Where that takes too long, or nothing is found, the
// library's line has to do. Other errors are returned as they are.
func YAMLError(data []byte, err error) error {
	if _, ok := errors.AsType[*yaml.TypeError](err); ok || err == nil {
		return err
	}
	line, text, ok := cutLine(err)
	if !ok || !plainText(data) {
		return err
	}
	at, ok := placeOf(data, line, text)
	if !ok {
		return err
	}
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	before := bytes.TrimPrefix(data[start:at], []byte("\ufeff")) // a mark of the encoding is no column
	return fmt.Errorf("yaml: line %d, column %d: %s", bytes.Count(data[:start], []byte("\n"))+1, utf8.RuneCount(before)+1, text)
}

// plainText reports whether lines and columns are what they seem: not in UTF-16,
// and with no other line ends than \n and \r\n.
func plainText(data []byte) bool {
	for i, c := range data {
		if c == '\r' && (i+1 == len(data) || data[i+1] != '\n') {
			return false
		}
	}
	return !bytes.HasPrefix(data, []byte("\xfe\xff")) && !bytes.HasPrefix(data, []byte("\xff\xfe")) &&
		!bytes.ContainsAny(data, "\u0085\u2028\u2029")
}

// cutLine takes "yaml: line 7: text" apart. On the first line, and for some
// complaints, the library names none: that is 0. ok is false if it is not an
// error of the library's.
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
	from, to := 0, len(data)
	if line > 0 {
		for range line - 1 {
			from += bytes.IndexByte(data[from:], '\n') + 1
		}
		to = endOfLine(data, endOfLine(data, from))
	}
	// What stands before the document does not matter, except directives.
	document := bytes.LastIndex(data[:from], []byte("\n---")) + 1
	if bytes.HasPrefix(data, []byte("%")) || bytes.Contains(data, []byte("\n%")) {
		document = 0
	}
	budget := placeBudget
	complains := func(end int) bool {
		if budget -= end - document; budget < 0 {
			return false
		}
		_, said, ok := cutLine(syntaxError(data[document:end]))
		return ok && said == text
	}
	if !complains(to) {
		return 0, false
	}
	// The line first. From its end on the library complains without a break: it
	// may have done so before, of a bracket that is closed further down.
	end := to
	start := bytes.LastIndexByte(data[:end-1], '\n') + 1
	for start > document && complains(start) {
		end = start
		start = bytes.LastIndexByte(data[:end-1], '\n') + 1
	}
	for at = end - 1; at >= start && budget >= 0; at-- {
		if utf8.RuneStart(data[at]) && !complains(at) {
			break
		}
	}
	if at < start || budget < 0 {
		return 0, false
	}
	if strings.HasPrefix(text, "unknown anchor ") { // whose name was read to its end
		at = bytes.LastIndexByte(data[:at], '*')
	}
	return at, at >= 0
}

// endOfLine returns the offset behind the line that an offset is in.
func endOfLine(data []byte, at int) int {
	if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(data)
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
