package lint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Release{"2.20": 20, "2.10": 10, "2.14.1": 14, "stable-2.14.10": 14, "v2.18": 18, "enterprise-2.17.0": 17,
		"edge-21.2.4": 10, "edge-21.9.2": 10, "edge-21.9.3": 11, "edge-23.11.3": 14, "edge-23.11.4": 15, "edge-24.6.1": 15, "edge-24.6.2": 16, "edge-24.11.8": 17, "edge-25.3.1": 17, "edge-25.3.2": 18,
		"edge-25.10.1": 18, "edge-25.10.7": 19, "edge-26.5.1": 19, "edge-26.5.2": 20, "edge-26.8.1": 20, "edge-27.1.1": 20} {
		if got := release(t, text); got != want {
			t.Errorf("%s is %d", text, got)
		}
	}
	for _, text := range []string{"", "2", "2.9", "3.0", "2.x", "1.20", "2.21", "2.-11", "latest", "edge-26.13.1", "edge-21.2.3", "edge-26.8", "edge", "2.19.x", "stable-"} {
		if r, err := ParseRelease(text); err == nil {
			t.Errorf("%q is %d", text, r)
		}
	}
}

// The examples have at least one finding of every rule.
func TestTheExamplesHaveEveryFinding(t *testing.T) {
	t.Parallel()
	var findings []*Finding
	names, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		findings = append(findings, check(t, "2.20", string(text))...)
	}
	for _, r := range Rules() {
		if r.ID == invalidDocument || r.ID == invalidIgnoring || r.ID == tooMany { // one would stop plan
			continue
		}
		var found []*Finding
		for _, f := range findings {
			if f.Rule == r.ID {
				found = append(found, f)
			}
		}
		worst := slices.IndexFunc([]Severity{Error, Warning, Note}, func(s Severity) bool { return Count(found, s) > 0 })
		if worst < 0 || []Severity{Error, Warning, Note}[worst] != r.Severity {
			t.Errorf("%d of %s, the worst %d", len(found), r.ID, worst)
		}
		if r.Why == "" || !slices.Contains([]Severity{Error, Warning, Note}, r.Severity) {
			t.Errorf("%+v", r)
		}
	}
	for _, f := range findings {
		if f.Message == "" || f.Fix == "" || f.Path == "" || f.Line == 0 {
			t.Errorf("%+v", f)
		}
	}
	if errors, warnings, notes := Count(findings, Error), Count(findings, Warning), Count(findings, Note); errors+warnings+notes != len(findings) || errors == 0 || warnings == 0 || notes == 0 {
		t.Errorf("%d, %d, %d of %d", errors, warnings, notes, len(findings))
	}
}

func TestSARIF(t *testing.T) {
	t.Parallel()
	findings := check(t, "2.20", deployment("config.linkerd.io/skip-outbound-port: \"8\\\"0\"\n", ""))
	findings[0].File = "my charts/ä%.yaml"
	var b bytes.Buffer
	if err := WriteSARIF(&b, findings, "v1"); err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Schema  string `json:"$schema"`
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version string
					Rules         []struct {
						ID                   string
						FullDescription      struct{ Text string }
						Help                 *struct{ Text, Markdown string }
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			Results []struct {
				RuleID    string
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "/sarif-schema-2.1.0.json") || run.Tool.Driver.Name != "shunt" || run.Tool.Driver.Version != "v1" || len(run.Tool.Driver.Rules) != len(Rules()) {
		t.Errorf("%+v", log)
	}
	for i, rule := range run.Tool.Driver.Rules {
		if page := Rules()[i].Page(); (rule.Help != nil) != (rule.ID == misspeltAnnotation) || rule.Help != nil && (rule.Help.Markdown != page || rule.Help.Text != page) {
			t.Errorf("%s has help %+v", rule.ID, rule.Help)
		}
	}
	r := run.Results[0]
	place := r.Locations[0].PhysicalLocation
	if r.RuleID != misspeltAnnotation || r.Level != "error" || place.ArtifactLocation.URI != "my%20charts/%C3%A4%25.yaml" || place.Region.StartLine != 10 {
		t.Errorf("%+v", r)
	}
	if want := `Write: config.linkerd.io/skip-outbound-ports: "8"0"`; !strings.HasSuffix(r.Message.Text, want) {
		t.Errorf("message %q", r.Message.Text)
	}
	b.Reset()
	if err := WriteSARIF(&b, nil, "v1"); err != nil || json.Unmarshal(b.Bytes(), &log) != nil {
		t.Errorf("without findings: %v\n%s", err, &b)
	}
}

func TestGitHubCommandsAreEscaped(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := WriteGitHub(&b, []*Finding{{Rule: "r", Severity: Note, File: "a:b,100%.yaml", Object: "Pod x\n::error::owned", Message: "50%", Fix: "60%"}})
	if want := "::notice file=a%3Ab%2C100%25.yaml,line=1,title=r::Pod x\\n::error::owned: 50%25. Write: 60%25\n"; err != nil || b.String() != want {
		t.Errorf("got  %swant %s%v", b.String(), want, err)
	}
}
