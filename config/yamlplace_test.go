package config

import (
	"strings"
	"testing"
)

func TestYAMLErrorNamesLineAndColumn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"a key further left than its siblings", "a:\n  b: c\n x: 1\n", "line 3, column 2: did not find expected key"},
		{"two values on one line", "a: b: c\n", "line 1, column 5: mapping values are not allowed in this context"},
		{"the same further down", "x: 1\ny: 2\na: b: c\nz: 3\n", "line 3, column 5: mapping values are not allowed in this context"},
		{"a tab for a blank", "a:\n\tb: c\n", "line 2, column 1: found character that cannot start any token"},
		{"a character that is reserved", "a: 1\nb: @x\n", "line 2, column 4: found character that cannot start any token"},
		{"a quote that is not closed", "a: \"b\n", "line 1, column 4: found unexpected end of stream"},
		{"a bracket that is not closed", "a: [1\nb: 2\n", "line 1, column 5: did not find expected ',' or ']'"},
		{"a quote that is not closed for many lines", strings.Repeat("a: \"b\"\n", 50) + "a: \"b\n" + strings.Repeat("c: d\n", 50), "line 51, column 4: found unexpected end of stream"},
		{"a quote behind one of several lines", "a: \"x\n  y\n  z\"\nlog-level: info\nb: \"open\n", "line 5, column 4: found unexpected end of stream"},
		{"a bracket behind one of several lines", "# c\na: [\n  80,\n  443\n]\nb: [\n  25,\n  26\n", "line 8, column 3: did not find expected ',' or ']'"},
		{"line ends of Windows", "x: 1\r\ny: 2\r\na: b: c\r\nz: 3\r\n", "line 3, column 5: mapping values are not allowed in this context"},
		{"characters of several bytes before it", "a: 1\nö: ü: x\n", "line 2, column 5: mapping values are not allowed in this context"},
		{"and after it", "a: b: c\n# ü\n", "line 1, column 5: mapping values are not allowed in this context"},
		{"a mark of the encoding", "\ufeffa: b: c\n", "line 1, column 5: mapping values are not allowed in this context"},
		{"an anchor that is not there", "a: 1\nb: 1\nc: 1\nd: *foobar\n", "line 4, column 4: unknown anchor 'foobar' referenced"},
		{"no UTF-8", "a: 1\nb: 1\nc: 1\ne: \xff\n", "line 4, column 4: invalid leading UTF-8 octet"},
		{"a directive", "%TAG !e! tag:x\n---\na: !e!foo 1\nb: !e!foo 1\nc: !f!foo 2\n", "line 5, column 7: found undefined tag handle"},
		{"in the second document", "a: 1\n---\nb: c: d\n", "line 3, column 5: mapping values are not allowed in this context"},
		{"many documents", strings.Repeat("a: 1\n---\n", 9000) + "b: c: d\n", "line 18001, column 5: mapping values are not allowed in this context"},
		{"too long a document", strings.Repeat("a: 1\n", 1_000_000) + "b: c: d\n", "line 1000001: mapping values are not allowed in this context"},
		{"too long a line", strings.Repeat("a: 1\n", 50000) + "- } " + strings.Repeat("d", 1000) + "\n", "line 50000: did not find expected key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := syntaxError([]byte(tc.text))
			if got := YAMLError([]byte(tc.text), err).Error(); got != "yaml: "+tc.want {
				t.Errorf("got  %s\nwant yaml: %s\nfrom %v", got, tc.want, err)
			}
		})
	}
}
