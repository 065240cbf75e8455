package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Count returns the number of findings of a severity.
func Count(findings []*Finding, s Severity) int {
	n := 0
	for _, f := range findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// WriteText writes the findings for people, in the form in which compilers do:
// file, line, severity, what is wrong, and the rule.
func WriteText(w io.Writer, findings []*Finding) error {
	for _, f := range findings {
		place := f.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		_, err := fmt.Fprintf(w, "%s: %s: %s: %s [%s]\n  at     %s\n  write  %s\n",
			place, f.Severity, f.Object, f.Message, f.Rule, f.Path, f.Fix)
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteSARIF writes the findings in the Static Analysis Results Interchange
// Format 2.1.0 (OASIS), as code hosts read it. version is shunt's.
func WriteSARIF(w io.Writer, findings []*Finding, version string) error {
	var b bytes.Buffer
	// Each %s is a whole JSON value.
	write := func(format string, values ...any) {
		for i, v := range values {
			text, _ := json.Marshal(v) // strings and numbers
			values[i] = text
		}
		fmt.Fprintf(&b, format, values...)
	}
	write(`{"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "shunt", "version": %s, "rules": [`, version)
	comma := ""
	for _, r := range Rules() {
		write(comma+`
{"id": %s, "fullDescription": {"text": %s}, "defaultConfiguration": {"level": %s}}`, r.ID, r.Why, r.Severity)
		comma = ","
	}
	b.WriteString("]}}, \"results\": [")
	comma = ""
	for _, f := range findings {
		write(comma+`
{"ruleId": %s, "level": %s, "message": {"text": %s}, "locations": [{
"physicalLocation": {"artifactLocation": {"uri": %s}, "region": {"startLine": %s}},
"logicalLocations": [{"fullyQualifiedName": %s}]}]}`,
			f.Rule, f.Severity, f.Message+". Write: "+f.Fix, uri(f.File), max(f.Line, 1), f.Object+" "+f.Path)
		comma = ","
	}
	b.WriteString("]}]}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// uri writes a path as a reference (RFC 3986, section 4.2): every byte that is
// not unreserved, but the slashes, in hexadecimal.
func uri(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
