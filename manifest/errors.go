package manifest

import (
	"errors"
	"strings"

	yaml "sigs.k8s.io/yaml/goyaml.v2"
)

// within puts the object's name into an error, after the line.
func within(o *Object, err error) error {
	if err == nil {
		return nil
	}
	line, text := split(err)
	return errors.New(line + o.String() + ": " + text)
}

// readable puts the library's error in the operator's terms, on one line.
func readable(err error) error {
	if _, wrong := err.(*yaml.TypeError); wrong || err != nil && strings.HasPrefix(err.Error(), "yaml: ") {
		line, text := split(err)
		return errors.New(line + text)
	}
	return err
}

// split returns "line 7: ", if the error says that, and what is wrong there.
func split(err error) (line, text string) {
	text = strings.TrimPrefix(err.Error(), "yaml: ")
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = wrong.Errors[0]
	}
	if strings.HasPrefix(text, "line ") {
		n := strings.Index(text, ": ") + len(": ")
		line, text = text[:n], text[n:]
	}
	text = strings.Join(strings.Fields(expected(text)), " ")
	const most = 300 // it can quote a key of any length
	return line, strings.ToValidUTF8(text[:min(most, len(text))], "")
}

// expected says in Kubernetes' terms what "cannot unmarshal X into T" says in
// those of Go.
func expected(text string) string {
	if strings.Contains(text, "excessive aliasing") {
		return "its anchors and aliases multiply to more than can be meant: write out what they stand for"
	}
	what, ok := strings.CutPrefix(text, "cannot unmarshal ")
	if !ok {
		return text
	}
	what, into, _ := strings.Cut(what, " into ")
	want := "a mapping"
	switch {
	case into == "manifest.head":
		want = "an object with apiVersion, kind and metadata"
	case strings.HasPrefix(into, "[]"):
		want = "a list"
	case into == "uint16":
		want = "a port from 0 to 65535"
	case into == "bool":
		want = "true or false"
	case into == "string":
		want = "text"
	}
	name, value, _ := strings.Cut(what, " ")
	switch name {
	case "!!map":
		name = "a mapping"
	case "!!seq":
		name = "a list"
	case "!!str":
		name = "the text"
	case "!!int", "!!float":
		name = "the number"
	case "!!bool":
		name = "the boolean"
	}
	return name + " " + value + " stands where Kubernetes has " + want
}
