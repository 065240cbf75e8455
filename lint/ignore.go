package lint

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"shunt/config"
	"shunt/manifest"
	"shunt/plan"
)

// ignoreKey is the annotation that silences findings about its object: entries
// "RULE: reason", separated by semicolons.
const ignoreKey = "shunt/lint-ignore"

// Ignore silences a rule, for a reason.
type Ignore struct {
	Rule    string   `yaml:"rule"`
	Reason  string   `yaml:"reason"`
	Files   []string `yaml:"files"`   // patterns (package path) of the file or its base name; none: all files
	Objects []string `yaml:"objects"` // "Deployment shop/web"; none: all objects
}

// ReadIgnores reads a .shunt-lint.yaml: a mapping whose key ignore is a list of
// Ignores. The error says what is invalid; each entry needs a known rule and a
// reason.
func ReadIgnores(r io.Reader) ([]Ignore, error) {
	const most = 1 << 20
	var file struct {
		Ignore []Ignore `yaml:"ignore"`
	}
	d := yaml.NewDecoder(io.LimitReader(r, most))
	d.KnownFields(true)
	err := d.Decode(&file)
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok { // "line 1: field x not found in type …"
		text, _, _ := strings.Cut(wrong.Errors[0], " in type ")
		return nil, errors.New(plan.Printable(text))
	}
	if err != nil && err != io.EOF {
		line, text := config.YAMLError(err)
		return nil, fmt.Errorf("line %d: %s", line, text)
	}
	for i, ig := range file.Ignore {
		if wrong := invalidIgnore(ig.Rule, ig.Reason); wrong != "" {
			return nil, fmt.Errorf("entry %d: %s", i+1, wrong)
		}
	}
	return file.Ignore, nil
}

// invalidIgnore says what is wrong with silencing a rule for a reason; empty if
// nothing is.
func invalidIgnore(rule, reason string) string {
	if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == rule }) {
		return "unknown rule " + config.Quote(rule)
	}
	if strings.TrimSpace(reason) == "" {
		return "no reason for silencing " + rule
	}
	return ""
}

func (ig *Ignore) matches(f *Finding) bool {
	inFile := len(ig.Files) == 0 || slices.ContainsFunc(ig.Files, func(pattern string) bool {
		whole, _ := path.Match(pattern, f.File)
		base, _ := path.Match(pattern, path.Base(f.File))
		return whole || base
	})
	whole, _, _ := strings.Cut(f.Object, " (") // without the part of it
	return ig.Rule == f.Rule && inFile && (len(ig.Objects) == 0 || slices.Contains(ig.Objects, f.Object) || slices.Contains(ig.Objects, whole))
}

// silence returns the findings that nothing silences: no entry of ignores, no
// annotation of the object, and no comment on the finding's line or above it.
// What silences without a reason is a finding itself.
func (l *linter) silence(ignores []Ignore) (kept []*Finding, silenced int) {
	type place struct {
		file, rule string
		line       int
	}
	comments, objects := map[place]bool{}, map[string]bool{}
	for _, c := range l.set.Ignores {
		rule, reason, _ := strings.Cut(c.Text, ":")
		rule = strings.TrimSpace(rule)
		if wrong := invalidIgnore(rule, reason); wrong != "" {
			l.note(Finding{Rule: invalidIgnoring, File: c.File, Line: c.Line, Message: wrong, Fix: "# shunt-lint:ignore RULE: reason"})
			continue
		}
		comments[place{c.File, rule, c.Line}], comments[place{c.File, rule, c.Above}] = true, true
	}
	for _, o := range l.set.Objects {
		l.annotatedIgnores(o, "metadata", o.Annotations, objects)
		if o.Pod != nil && o.PodPath != "" {
			l.annotatedIgnores(o, o.PodPath+".metadata", o.Pod.Annotations, objects)
		}
	}
	l.sort()
	for _, f := range l.findings {
		if f.Rule != invalidIgnoring && (comments[place{f.File, f.Rule, f.Line}] || objects[f.File+"\n"+f.Object+"\n"+f.Rule] ||
			slices.ContainsFunc(ignores, func(ig Ignore) bool { return ig.matches(f) })) {
			silenced++
		} else {
			kept = append(kept, f)
		}
	}
	return kept, silenced
}

// annotatedIgnores adds the rules that an object's annotation silences.
func (l *linter) annotatedIgnores(o *manifest.Object, metadata string, list manifest.Texts, objects map[string]bool) {
	a, ok := list[ignoreKey]
	if !ok {
		return
	}
	for entry := range strings.SplitSeq(a.Value, ";") {
		rule, reason, _ := strings.Cut(entry, ":")
		rule = strings.TrimSpace(rule)
		if wrong := invalidIgnore(rule, reason); wrong != "" {
			l.add(invalidIgnoring, o, a.Line, metadata+`.annotations["`+ignoreKey+`"]`, wrong, written(ignoreKey, "RULE: reason"))
			continue
		}
		objects[o.File+"\n"+o.String()+"\n"+rule] = true
	}
}
