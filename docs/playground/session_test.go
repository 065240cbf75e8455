package playground

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shunt/config"
	"shunt/explain"
)

// examples returns the manifests of docs/examples by their names.
func examples(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no examples", err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(text)
	}
	return texts
}

// A change that the page offers does what it says, once it is made in the text.
func TestEveryChangeThatIsOfferedDoesWhatItSays(t *testing.T) {
	t.Parallel()
	made := 0
	for name, text := range examples(t) {
		for _, mode := range []config.Mode{config.ModeInit, config.ModeCNI} {
			for _, d := range []explain.Description{
				{Direction: "outbound", UID: "1000", To: "10.0.0.5:3306"},
				{Direction: "outbound", UID: "1000", To: "10.0.0.5:443"},
				{Direction: "outbound", UID: "2102", To: "10.0.0.5:5672"},
				{Direction: "inbound", From: "10.1.2.3", Port: "8080"},
				{Direction: "inbound", From: "10.1.2.3", Port: "4191"},
				{Direction: "inbound", Port: "4567"},
			} {
				var s Session
				r := &Request{Manifest: text, Mode: mode, Assume: true, Connection: d}
				for _, w := range s.Answer(r).Workloads {
					r.Workload = w.ID
					a := s.Answer(r)
					if a.Workload != nil && a.Workload.Wrong != "" {
						continue // an example of an invalid value
					}
					if a.Wrong != "" || a.Explanation == nil {
						t.Fatalf("%s, %s: %+v", name, w.ID, a)
					}
					if edit := a.Workload.Inject; edit != nil {
						made++
						if after := apply(t, &s, r, edit); !after.Workload.Injected {
							t.Errorf("%s, %s is not injected with %+v", name, w.ID, edit)
						}
					}
					for _, ch := range a.Explanation.Changes {
						if ch.Edit == nil {
							continue
						}
						made++
						then := ch.Settings[len(ch.Settings)-1].Then
						after := apply(t, &s, r, ch.Edit)
						if got := after.Explanation; got == nil || !strings.HasPrefix(got.Verdict, then.Action) {
							t.Errorf("%s, %s, %s, %s: %+v gives %+v", name, w.ID, mode, d, ch.Edit, after)
						}
					}
				}
			}
		}
	}
	if made < 200 {
		t.Errorf("%d changes were made: too few to prove anything", made)
	}
}

func apply(t *testing.T, s *Session, r *Request, edit *Edit) *Answer {
	t.Helper()
	text, err := s.Apply(r, edit)
	if err != nil {
		t.Fatalf("%s: %+v: %v", r.Workload, edit, err)
	}
	after := *r
	after.Manifest = text
	return s.Answer(&after)
}

// The least that says what is wanted is written.
func TestWhatAChangeWrites(t *testing.T) {
	t.Parallel()
	const pod = "kind: Pod\nmetadata:\n  name: web\n  annotations:\n    linkerd.io/inject: enabled\n"
	for _, tt := range []struct {
		name, more string
		mode       config.Mode
		d          explain.Description
		want       string // key, value; empty: nothing does it
	}{
		{"a port is added to the default list", "", config.ModeInit, explain.Description{Direction: "outbound", To: "10.0.0.5:3306"},
			"config.linkerd.io/skip-outbound-ports 3306,4567-4568"},
		{"a port leaves a range", "    config.linkerd.io/skip-outbound-ports: 3300-3310\n", config.ModeInit, explain.Description{Direction: "outbound", To: "10.0.0.5:3306"},
			"config.linkerd.io/skip-outbound-ports 3300-3305,3307-3310"},
		{"the proxy's own ports go without saying", "", config.ModeInit, explain.Description{Direction: "inbound", Port: "8080"},
			"config.linkerd.io/skip-inbound-ports 4567-4568,8080"},
		{"the plugin adds to what is configured", "", config.ModeCNI, explain.Description{Direction: "inbound", Port: "8080"},
			"config.linkerd.io/skip-inbound-ports 8080"},
		{"a port leaves the list that it is on", "    linkerd.io/skip-ports: 80,8080\n", config.ModeInit, explain.Description{Direction: "inbound", Port: "8080"},
			"linkerd.io/skip-ports 80"},
		{"or both", "    linkerd.io/skip-ports: \"8080\"\n    config.linkerd.io/skip-inbound-ports: 80,8080\n", config.ModeInit, explain.Description{Direction: "inbound", Port: "8080"},
			"linkerd.io/skip-ports , config.linkerd.io/skip-inbound-ports 80"},
		{"a setting without an annotation", "", config.ModeInit, explain.Description{Direction: "outbound", To: "[fd00::5]:80"}, ""},
		{"another proxy", "", config.ModeInit, explain.Description{Direction: "outbound", UID: "2102", To: "10.0.0.5:80"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := new(Session).Answer(&Request{Manifest: pod + tt.more, Mode: tt.mode, Connection: tt.d})
			var got []string
			if edit := a.Explanation.Changes[0].Edit; edit != nil {
				for _, n := range edit.Annotations {
					got = append(got, n.Key+" "+n.Value)
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnswersToWhatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	const pod = "kind: Pod\nmetadata:\n  name: web\n  annotations:\n    linkerd.io/inject: enabled\n"
	out := explain.Description{Direction: "outbound", To: "10.0.0.5:80"}
	for _, tt := range []struct {
		name string
		r    Request
		want Answer // Wrong, Line, Field and FieldWrong, as far as they go
	}{
		{"nothing", Request{}, Answer{Wrong: "manifest.yaml: no Kubernetes object in it"}},
		{"no workload", Request{Manifest: "kind: ConfigMap\n"}, Answer{Wrong: "manifest.yaml: the files contain no workload"}},
		{"broken", Request{Manifest: pod + "---\nkind: [\n"}, Answer{Wrong: "manifest.yaml: line 8: ", Line: 8}},
		{"an unknown release", Request{Manifest: pod, Release: "3.0"}, Answer{Wrong: "unknown release of Linkerd"}},
		{"a wrong value", Request{Manifest: pod + "    config.linkerd.io/skip-outbound-ports: http\n", Connection: out}, Answer{}},
		{"no direction", Request{Manifest: pod}, Answer{Field: "direction", FieldWrong: "which direction?"}},
		{"a name", Request{Manifest: pod, Connection: explain.Description{Direction: "outbound", To: "db:80"}}, Answer{Field: "to", FieldWrong: `"db:80" is not an address`}},
	} {
		a := new(Session).Answer(&tt.r)
		if !strings.HasPrefix(a.Wrong, tt.want.Wrong) || (a.Wrong == "") != (tt.want.Wrong == "") || a.Line != tt.want.Line ||
			a.Field != tt.want.Field || !strings.HasPrefix(a.FieldWrong, tt.want.FieldWrong) {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if a.Explanation != nil {
			t.Errorf("%s: %s", tt.name, a.Explanation.Text)
		}
	}
}
