package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

const editedKey = "config.linkerd.io/skip-outbound-ports"

func TestSetAnnotationChangesOnePlace(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n"
	const spec = "    spec:\n      containers: []\n"
	for _, tt := range []struct {
		name string
		text string // of which < is the line that goes, > the one that comes
	}{
		{"a value", head + "    metadata:\n      annotations:\n" +
			"<        config.linkerd.io/skip-outbound-ports: \"3306\" # MySQL\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\" # MySQL\n" + spec},
		{"a value in single quotes", head + "    metadata:\n      annotations:\n" +
			"<        config.linkerd.io/skip-outbound-ports: '33''06'\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n" + spec},
		{"a value without quotes", head + "    metadata:\n      annotations:\n" +
			"<        config.linkerd.io/skip-outbound-ports: 33,06 # both\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\" # both\n" + spec},
		{"an empty value in quotes", head + "    metadata:\n      annotations:\n" +
			"<        config.linkerd.io/skip-outbound-ports: \"\"\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n" + spec},
		{"below the other annotations", head + "    metadata:\n      annotations:\n        # to be meshed\n        linkerd.io/inject: enabled # ask ümit\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n" + spec},
		{"above annotations that end in a text of several lines", head + "    metadata:\n      annotations:\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n        a: |\n          b\n          c\n" + spec},
		{"no annotations", head + "    metadata:\n" +
			">      annotations:\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n      labels:\n        app: web\n" + spec},
		{"no metadata", head +
			">    metadata:\n" +
			">      annotations:\n" +
			">        config.linkerd.io/skip-outbound-ports: \"80\"\n" + spec},
		{"annotations in braces", head +
			"<    metadata: {labels: {ä: b}, annotations: {linkerd.io/inject: enabled}} # short\n" +
			">    metadata: {labels: {ä: b}, annotations: {config.linkerd.io/skip-outbound-ports: \"80\", linkerd.io/inject: enabled}} # short\n" + spec},
		{"no annotations in braces", head +
			"<    metadata: {labels: {app: web}, annotations: {}}\n" +
			">    metadata: {labels: {app: web}, annotations: {config.linkerd.io/skip-outbound-ports: \"80\"}}\n" + spec},
		{"metadata in braces", head +
			"<    metadata: {labels: {app: web}}\n" +
			">    metadata: {annotations: {config.linkerd.io/skip-outbound-ports: \"80\"}, labels: {app: web}}\n" + spec},
		{"a template in braces", strings.TrimSuffix(head, "  template:\n") +
			"<  template: {spec: {containers: []}}\n" +
			">  template: {metadata: {annotations: {config.linkerd.io/skip-outbound-ports: \"80\"}}, spec: {containers: []}}\n"},
		{"the second document, a List, in it the second item", "---\n# first\nkind: Pod\nmetadata: {name: a}\n---\nkind: List\nitems:\n- kind: Pod\n  metadata:\n    name: b\n- kind: Pod\n  metadata:\n" +
			">    annotations:\n" +
			">      config.linkerd.io/skip-outbound-ports: \"80\"\n    name: web\n    labels: {}\n  spec: {}\n"},
		{"an operator's object", "kind: Elasticsearch\nmetadata: {name: web}\nspec:\n  nodeSets:\n  - podTemplate:\n      spec: {containers: []}\n  - podTemplate:\n" +
			">      metadata:\n" +
			">        annotations:\n" +
			">          config.linkerd.io/skip-outbound-ports: \"80\"\n      spec: {containers: []}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var before, want strings.Builder
			for line := range strings.Lines(tt.text) {
				switch line[0] {
				case '<':
					before.WriteString(line[1:])
				case '>':
					want.WriteString(line[1:])
				default:
					before.WriteString(line)
					want.WriteString(line)
				}
			}
			got, err := SetAnnotation(before.String(), last(t, before.String()), editedKey, "80")
			if err != nil || got != want.String() {
				t.Errorf("%v\n%s", err, diff.Diff("want", []byte(want.String()), "got", []byte(got)))
			}
		})
	}
}

// last returns the last workload of a text.
func last(t *testing.T, text string) *Object {
	t.Helper()
	var s Set
	if err := s.Read("a.yaml", strings.NewReader(text)); err != nil || s.Err() != nil {
		t.Fatal(err, s.Err())
	}
	all := s.Workloads()
	return all[len(all)-1]
}

func TestSetAnnotationRefusesWhatIsNotSafe(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"JSON":                  `{"kind": "Pod", "metadata": {"name": "web"}}`,
		"an alias":              "kind: Pod\nmetadata:\n  labels: &a {b: c}\n  annotations: *a\n",
		"an anchor":             "kind: Pod\nmetadata:\n  annotations:\n    " + editedKey + ": &a \"1\"\n    b: *a\n",
		"a text of two lines":   "kind: Pod\nmetadata:\n  annotations:\n    " + editedKey + ": \"1,\n      2\"\n",
		"a block of text":       "kind: Pod\nmetadata:\n  annotations:\n    " + editedKey + ": |\n      1\n",
		"no value":              "kind: Pod\nmetadata:\n  annotations:\n",
		"what two pods share":   "kind: Set\nspec:\n  a:\n    podTemplate: &t\n      metadata: {labels: {}}\n  b:\n    podTemplate: *t\n",
		"keys that are complex": "kind: Pod\nmetadata:\n  annotations:\n    ? a\n    : |\n      b\n",
	} {
		if got, err := SetAnnotation(text, last(t, text), editedKey, "80"); !errors.Is(err, ErrByHand) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
}

// Whatever the text, the result means the same but for the annotation.
func FuzzSetAnnotation(f *testing.F) {
	paths, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatal("no examples", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Set
		if s.Read("a.yaml", strings.NewReader(text)) != nil {
			return
		}
		for i, o := range s.Workloads() {
			edited, err := SetAnnotation(text, o, editedKey, "80")
			if err != nil {
				continue
			}
			var after Set
			if err := after.Read("a.yaml", strings.NewReader(edited)); err != nil {
				t.Fatal(err)
			}
			if got := after.Workloads()[i].Pod.Annotations[editedKey].Value; got != "80" {
				t.Fatalf("%s has %q in\n%s", o, got, edited)
			}
		}
	})
}
