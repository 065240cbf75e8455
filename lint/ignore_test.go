package lint

import (
	"strings"
	"testing"

	"shunt/manifest"
)

// A finding is silenced in three places, each with a reason; what has none, or
// names an unknown rule, silences nothing and is a finding itself.
func TestFindingsAreSilencedForAReason(t *testing.T) {
	t.Parallel()
	const bad = `config.linkerd.io/skip-inbound-ports: "7777"`
	for _, tt := range []struct {
		name, annotations, want string
		ignores                 []Ignore
		silenced                int
	}{
		{"nothing silences it", bad, skipUnexposedPort, nil, 0},
		{"a comment on the line", bad + " # shunt-lint:ignore skip-unexposed-port: a sidecar listens there", "", nil, 1},
		{"a comment above", "# shunt-lint:ignore skip-unexposed-port: a sidecar\n# listens there\n" + bad, "", nil, 1},
		{"a comment below", bad + "\n# shunt-lint:ignore skip-unexposed-port: why", skipUnexposedPort, nil, 0},
		{"a comment about another rule", bad + " # shunt-lint:ignore redundant-skip: why", skipUnexposedPort, nil, 0},
		{"a comment without a reason", bad + " # shunt-lint:ignore skip-unexposed-port", skipUnexposedPort + " " + invalidIgnoring, nil, 0},
		{"a comment with an unknown rule", bad + " # shunt-lint:ignore skip-unexposed: why", skipUnexposedPort + " " + invalidIgnoring, nil, 0},
		{"an annotation", bad + "\n" + `shunt/lint-ignore: "redundant-skip: why; skip-unexposed-port: a sidecar"`, "", nil, 1},
		{"an annotation without a reason", bad + "\n" + `shunt/lint-ignore: skip-unexposed-port`, skipUnexposedPort + " " + invalidIgnoring, nil, 0},
		{"a file", bad, "", []Ignore{{Rule: skipUnexposedPort, Reason: "why"}}, 1},
		{"a file, by the file and the object", bad, "", []Ignore{{Rule: skipUnexposedPort, Files: []string{"*.yaml"}, Objects: []string{"Deployment shop/web"}}}, 1},
		{"a file, about another object", bad, skipUnexposedPort, []Ignore{{Rule: skipUnexposedPort, Objects: []string{"Deployment shop/db"}}}, 0},
		{"a file, about other files", bad, skipUnexposedPort, []Ignore{{Rule: skipUnexposedPort, Files: []string{"charts/*"}}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &manifest.Set{}
			if err := s.Read("k8s/app.yaml", strings.NewReader(deployment(tt.annotations, ""))); err != nil {
				t.Fatal(err)
			}
			findings, silenced := Check(s, release(t, "2.20"), tt.ignores...)
			if ids(findings) != tt.want || silenced != tt.silenced {
				t.Errorf("found %q, silenced %d; want %q and %d", ids(findings), silenced, tt.want, tt.silenced)
			}
		})
	}
}

// An object with several templates is silenced by its name, or one of them by
// its path.
func TestAnObjectIsSilencedWithAllItsParts(t *testing.T) {
	t.Parallel()
	const text = "apiVersion: e/v1\nkind: Elasticsearch\nmetadata: {name: a}\nspec: {nodeSets: [" +
		"{podTemplate: {metadata: {annotations: {linkerd.io/injct: b}}}}, {podTemplate: {metadata: {annotations: {linkerd.io/injct: b}}}}]}\n"
	for object, want := range map[string]int{"Elasticsearch a": 2, "Elasticsearch a (nodeSets[1].podTemplate)": 1, "Elasticsearch b": 0} {
		s := &manifest.Set{}
		if err := s.Read("f", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if _, silenced := Check(s, release(t, "2.20"), Ignore{Rule: misspeltAnnotation, Reason: "why", Objects: []string{object}}); silenced != want {
			t.Errorf("%s: %d silenced, want %d", object, silenced, want)
		}
	}
}

func TestIgnoreFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"ignore:\n- {rule: redundant-skip, reason: why, files: ['*.yaml'], objects: [Pod x]}\n": "",
		"ignore:\n- {rule: redundant, reason: why}\n":                                           `entry 1: unknown rule "redundant"`,
		"ignore:\n- {rule: redundant-skip}\n":                                                   "entry 1: no reason for silencing redundant-skip",
		"ignores: []\n":                                                                         "line 1: field ignores not found",
		"ignore: [":                                                                             "line ",
	} {
		_, err := ReadIgnores(strings.NewReader(text))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
