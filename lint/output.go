package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"shunt/plan"
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

// AtLeast returns the number of findings of a severity or a worse one.
func AtLeast(findings []*Finding, s Severity) int {
	n := Count(findings, Error)
	if s != Error {
		n += Count(findings, Warning)
	}
	if s == Note {
		n += Count(findings, Note)
	}
	return n
}

// WriteText writes the findings for people, in the form in which compilers do:
// file, line, severity, what is wrong, and the rule.
func WriteText(w io.Writer, findings []*Finding) error {
	var b bytes.Buffer
	for _, f := range findings {
		place, object := f.File, ""
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		if f.Object != "" {
			object = f.Object + ": "
		}
		for _, line := range []struct{ label, text string }{
			{"", fmt.Sprintf("%s: %s: %s%s [%s]", place, f.Severity, object, f.Message, f.Rule)},
			{"  at     ", f.Path},
			{"  write  ", f.Fix},
		} {
			if line.text != "" {
				b.WriteString(line.label + plan.Printable(line.text) + "\n")
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// The parts of the Static Analysis Results Interchange Format 2.1.0 (OASIS)
// that shunt writes.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string     `json:"id"`
		Description   sarifText  `json:"fullDescription"`
		Help          *sarifPage `json:"help,omitempty"`
		Configuration struct {
			Level Severity `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifPage struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     Severity        `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
		Logical []sarifName `json:"logicalLocations"`
	}
	sarifName struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF writes the findings as code hosts read them, with the pages of their
// rules. version is shunt's.
func WriteSARIF(w io.Writer, findings []*Finding, version string) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "shunt", Version: version}}, Results: []sarifResult{}}
	for _, r := range Rules() {
		rule := sarifRule{ID: r.ID, Description: sarifText{r.Why}}
		rule.Configuration.Level = r.Severity
		if slices.ContainsFunc(findings, func(f *Finding) bool { return f.Rule == r.ID }) {
			rule.Help = &sarifPage{r.Page(), r.Page()}
		}
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, f := range findings {
		message := f.Message
		if f.Fix != "" {
			message += ". Write: " + f.Fix
		}
		at := sarifLocation{Logical: []sarifName{{strings.TrimSpace(f.Object + " " + f.Path)}}}
		at.Physical.Artifact.URI = uri(f.File)
		at.Physical.Region.StartLine = max(f.Line, 1)
		run.Results = append(run.Results, sarifResult{f.Rule, f.Severity, sarifText{message}, []sarifLocation{at}})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// WriteGitHub writes the findings as commands of GitHub's workflows, which show
// them beside the lines that they are about.
func WriteGitHub(w io.Writer, findings []*Finding) error {
	level := map[Severity]string{Error: "error", Warning: "warning", Note: "notice"}
	escaped := func(text string) string { return strings.ReplaceAll(plan.Printable(text), "%", "%25") }
	var b bytes.Buffer
	for _, f := range findings {
		text := f.Message
		if f.Object != "" {
			text = f.Object + ": " + text
		}
		if f.Fix != "" {
			text += ". Write: " + f.Fix
		}
		property := strings.ReplaceAll(strings.ReplaceAll(escaped(f.File), ":", "%3A"), ",", "%2C")
		fmt.Fprintf(&b, "::%s file=%s,line=%d,title=%s::%s\n", level[f.Severity], property, max(f.Line, 1), f.Rule,
			escaped(text))
	}
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
