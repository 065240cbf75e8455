package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The YAML tags that Kubernetes tells apart (YAMLTag).
const (
	YAMLNull   = "!!null"
	YAMLBool   = "!!bool"
	YAMLNumber = "!!int"
	YAMLString = "!!str"
	YAMLList   = "!!seq"
	YAMLMap    = "!!map"
)

// YAMLTag returns what Kubernetes takes a value for: it reads YAML 1.1, in
// which yes, no, on and off are booleans too (yaml.org/type/bool.html), and
// takes a time for a string. Every number is a YAMLNumber. An unknown tag is
// returned as it is.
func YAMLTag(n *yaml.Node) string {
	switch tag := n.ShortTag(); {
	case n.Kind != yaml.ScalarNode:
	case tag == "!!float":
		return YAMLNumber
	case n.Style == 0 && tag == "!!timestamp":
		return YAMLString
	case n.Style == 0 && tag == YAMLString && isYAML11Bool(n.Value):
		return YAMLBool
	}
	return n.ShortTag()
}

// isYAML11Bool knows the booleans of YAML 1.1 that YAML 1.2 takes for strings.
func isYAML11Bool(text string) bool {
	switch text {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON",
		"n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return true
	}
	return false
}

// YAMLTrue reports whether a boolean (YAMLTag) is true.
func YAMLTrue(n *yaml.Node) bool {
	switch strings.ToLower(n.Value) {
	case "true", "y", "yes", "on":
		return true
	}
	return false
}

// YAMLError returns the line of a syntax error and what is wrong, on one line.
// Where a list or a mapping is broken, the line is the one on which it begins.
func YAMLError(err error) (line int, text string) {
	const most = 200 // it can quote a key of any length
	line, text = 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, rest, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, text = n, rest
				if strings.HasPrefix(text, "did not find expected ") {
					line++ // the library's parser, unlike its scanner, counts from 0
				}
			}
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	return line, strings.ToValidUTF8(text[:min(most, len(text))], "")
}

// DescribeYAML names what a value is, for errors.
func DescribeYAML(n *yaml.Node) string {
	switch YAMLTag(n) {
	case YAMLNull:
		return "no value"
	case YAMLBool:
		return "the boolean " + strconv.FormatBool(YAMLTrue(n))
	case YAMLNumber:
		return "the number " + Quote(n.Value)
	case YAMLList:
		return "a list"
	case YAMLMap:
		return "a mapping"
	}
	return "the text " + Quote(n.Value)
}
