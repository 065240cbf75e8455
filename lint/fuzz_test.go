package lint

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shunt/manifest"
)

// Whatever a manifest holds, lint ends, and each of its findings says what it is
// and where, on one line.
func FuzzCheck(f *testing.F) {
	names, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), byte(20))
		f.Add(string(text), byte(10))
	}
	for _, r := range Rules() {
		f.Add(example(r.Page(), "Example"), byte(17))
	}
	f.Fuzz(func(t *testing.T, text string, line byte) {
		s := &manifest.Set{AssumeInjected: line%2 == 0}
		if s.Read("f", strings.NewReader(text)) != nil {
			return
		}
		findings, _ := Check(s, opaqueFirst+Release(line)%(newest-opaqueFirst+1))
		for _, f := range findings {
			known := slices.ContainsFunc(Rules(), func(r Rule) bool { return r.ID == f.Rule })
			if !known || f.File != "f" || f.Message == "" || f.Line < 0 || !slices.Contains([]Severity{Error, Warning, Note}, f.Severity) {
				t.Fatalf("%+v", f)
			}
		}
		var out bytes.Buffer
		if err := WriteText(&out, findings); err != nil || strings.ContainsAny(out.String(), "\r\x1b") || bytes.Count(out.Bytes(), []byte("\n")) > 3*len(findings) {
			t.Fatalf("%v: %q", err, out.String())
		}
	})
}
