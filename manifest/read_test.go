package manifest

import (
	"io"
	"strings"
	"testing"
	"time"

	"shunt/config"
)

// read returns what the texts hold, or the first error.
func read(texts ...string) (*Set, error) {
	s := &Set{}
	for _, text := range texts {
		if err := s.Read("app.yaml", strings.NewReader(text)); err != nil {
			return s, err
		}
	}
	return s, nil
}

func mustRead(t *testing.T, texts ...string) *Set {
	t.Helper()
	s, err := read(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// names lists objects.
func names(objects []*Object) string {
	var out []string
	for _, o := range objects {
		out = append(out, o.String())
	}
	return strings.Join(out, ", ")
}

func TestReadFindsTheObjects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text, objects, skipped string
	}{
		{"one document", "kind: Pod\nmetadata: {name: a}\n", "Pod a", ""},
		{"several documents, empty ones among them", "---\n# nothing\n---\nkind: Pod\nmetadata: {name: a}\n---\n---\nkind: Namespace\nmetadata: {name: b}\n",
			"Pod a, Namespace b", ""},
		{"every kind of workload", "{apiVersion: v1, kind: ReplicationController}\n---\n{apiVersion: apps/v1, kind: Deployment}\n", "", ""},
		{"a List, with a List in it", "kind: List\nitems:\n- {kind: Pod, metadata: {name: a, namespace: n}}\n- kind: List\n  items:\n  - {kind: Service, metadata: {name: s}}\n",
			"Pod n/a, Service s", ""},
		{"an empty List", "kind: List\nitems: []\n---\nkind: Pod\nmetadata: {name: a}\n", "Pod a", ""},
		{"kinds that are not read", "kind: ConfigMap\nmetadata: {name: c}\nspec: text\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\n---\nkind: Pod\nmetadata: {name: a}\n",
			"Pod a", "ConfigMap c, Service k"},
		{"kinds in the groups of old", "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}\n", "Deployment a", ""},
		{"a pod that gets its name later", "kind: Pod\nmetadata: {generateName: run-}\n", "Pod run-*", ""},
		{"an object without a name", "kind: Pod\n", "Pod without a name", ""},
		{"JSON", `{"kind": "Pod", "metadata": {"name": "a"}}`, "Pod a", ""},
		{"JSON objects one after the other", "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}}\n{\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"b\"}}\n", "Pod a, Pod b", ""},
		{"a JSON List", `{"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "a"}}]}`, "Pod a", ""},
		{"a byte order mark", "\ufeffkind: Pod\nmetadata: {name: a}\n", "Pod a", ""},
		{"an anchor", "kind: Pod\nmetadata: &m {name: a}\nother: *m\n", "Pod a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := tt.text
			if tt.name == "every kind of workload" {
				text, tt.objects = "", ""
				for _, kind := range []string{"v1 Pod", "v1 ReplicationController", "apps/v1 Deployment", "apps/v1 StatefulSet",
					"apps/v1 DaemonSet", "apps/v1 ReplicaSet", "batch/v1 Job", "batch/v1 CronJob"} {
					api, kind, _ := strings.Cut(kind, " ")
					text += "---\napiVersion: " + api + "\nkind: " + kind + "\nmetadata: {name: x}\n"
					tt.objects += ", " + kind + " x"
				}
				tt.objects = tt.objects[2:]
			}
			s := mustRead(t, text)
			if got := names(s.Objects); got != tt.objects {
				t.Errorf("objects %q, want %q", got, tt.objects)
			}
			if got := names(s.Skipped); got != tt.skipped {
				t.Errorf("skipped %q, want %q", got, tt.skipped)
			}
		})
	}
}

func TestReadSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "app.yaml: holds no Kubernetes object"},
		{"comments only", "# a\n---\n", "app.yaml: holds no Kubernetes object"},
		{"a text", "hello\n", "app.yaml: line 1: the text `hello` stands where Kubernetes has an object with apiVersion, kind and metadata"},
		{"a list", "\n- a\n", "app.yaml: line 2: a list stands where Kubernetes has an object with apiVersion, kind and metadata"},
		{"a Helm chart's values", "kind: Pod\nmetadata: {name: a}\n---\nreplicas: 3\n", "app.yaml: line 4: this has no kind: want Kubernetes objects, with apiVersion, kind and metadata"},
		{"an empty item", "kind: List\nitems: [null]\n", "app.yaml: an item of a List is empty: want Kubernetes objects"},
		{"YAML that is none", "kind: Pod\nmetadata:\n  name: x\n bad\n", "app.yaml: line 4, column 2: did not find expected key"},
		{"a tab", "kind: Pod\nmetadata:\n\tname: x\n", "app.yaml: line 3, column 1: found character that cannot start any token"},
		{"JSON that is none", "{\"kind\": \"Pod\",\n  x}\n", "app.yaml: line 2, column 3: invalid character 'x' looking for beginning of object key string"},
		{"JSON that ends too early", "{\"kind\":\n \"Pod\"", "app.yaml: line 2, column 7: the JSON ends in the middle"},
		{"a template", "{{ .Values.x }}", "app.yaml: line 1, column 2: this looks like a template: render it first, as helm template does"},
		{"an annotation that is a number", "kind: Pod\nmetadata:\n  name: x\n  annotations:\n    linkerd.io/skip-ports: 8080\n",
			`app.yaml: line 5: Pod x: annotation "linkerd.io/skip-ports" is the number 8080: Kubernetes takes text only, write it in quotes`},
		{"an annotation that YAML takes for a boolean", "kind: Deployment\nmetadata: {name: x, namespace: n}\nspec:\n  template:\n    metadata:\n      annotations:\n        a: yes\n",
			`app.yaml: line 7: Deployment n/x: annotation "a" is the boolean true: Kubernetes takes text only, write it in quotes`},
		{"an annotation that is a list, in JSON", "{\"kind\": \"Pod\",\n\n\"metadata\": {\"name\": \"x\", \"annotations\": {\n\"a\": [1]}}}",
			`app.yaml: line 4: Pod x: annotation "a" is a list or a mapping: Kubernetes takes text only, write it in quotes`},
		{"the same in the second JSON object", "{\"kind\": \"Pod\"}\n{\"kind\": \"Pod\", \"metadata\": {\"annotations\":\n {\"a\": 1}}}",
			`app.yaml: line 3: Pod without a name: annotation "a" is the number 1: Kubernetes takes text only, write it in quotes`},
		{"an annotation that stands twice", "kind: Pod\nmetadata:\n  name: x\n  annotations:\n    a: b\n    a: c\n",
			`app.yaml: line 6: Pod x: annotation "a" stands there twice, and one of the two would be lost`},
		{"a field of another type", "kind: Pod\nmetadata: {name: x}\nspec:\n  hostNetwork: maybe\n",
			"app.yaml: line 4: Pod x: the text `maybe` stands where Kubernetes has true or false"},
		{"a port that is none", "kind: Pod\nspec:\n  containers:\n  - ports:\n    - containerPort: 70000\n",
			"app.yaml: line 5: Pod without a name: the number `70000` stands where Kubernetes has a port from 0 to 65535"},
		{"containers that are no list", "kind: List\nitems:\n- kind: Pod\n  metadata: {name: x}\n  spec: {containers: 5}\n",
			"app.yaml: line 5: Pod x: the number `5` stands where Kubernetes has a list"},
		{"a spec that is none", "kind: NetworkPolicy\nmetadata: {name: x}\nspec: 5\n",
			"app.yaml: line 3: NetworkPolicy x: the number `5` stands where Kubernetes has a mapping"},
		{"an alias of nothing", "kind: Pod\nmetadata: *foo\n", "app.yaml: line 2, column 11: unknown anchor 'foo' referenced"},
		{"an alias of what it stands in", "kind: Pod\nmetadata: &a {annotations: {x: *a}}\n", "app.yaml: Pod without a name: anchor 'a' value contains itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := read(tt.text)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if err != nil && !config.IsInput(err) {
				t.Errorf("%T is no InputError", err)
			}
			if len(s.Objects)+len(s.Skipped) != 0 {
				t.Errorf("objects were kept: %s", names(s.Objects))
			}
		})
	}
}

// A tree of aliases that stands for 9^9 values ends in an error, wherever it
// hangs, and takes neither time nor memory where nobody looks.
func TestAliasesDoNotMultiply(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("l0: &l0 [x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		list := strings.TrimSuffix(strings.Repeat("*l"+string(rune('0'+i))+",", 9), ",")
		b.WriteString("l" + string(rune('1'+i)) + ": &l" + string(rune('1'+i)) + " [" + list + "]\n")
	}
	bomb := b.String()
	const want = "its anchors and aliases multiply to more than can be meant"
	for name, rest := range map[string]string{
		"in an annotation":   "kind: Pod\nmetadata: {annotations: {x: *l9}}\n",
		"as the annotations": "kind: Pod\nmetadata: {annotations: *l9}\n",
		"as the containers":  "kind: Pod\nspec: {containers: *l9}\n",
		"as a peer":          "kind: NetworkPolicy\nspec: {ingress: [{from: *l9}]}\n",
		"as the metadata":    "kind: Pod\nmetadata: *l9\n",
		"in what is skipped": "kind: ConfigMap\ndata: *l9\n",
		"unread":             "kind: Pod\nstatus: *l9\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := read(bomb + rest)
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			switch name {
			case "in what is skipped", "unread":
				if err != nil {
					t.Error(err)
				}
			default:
				if err == nil || len(err.Error()) > 500 || strings.Contains(name, "annotation") && name != "as the annotations" && !strings.Contains(err.Error(), want) {
					t.Errorf("error: %v", err)
				}
			}
		})
	}
}

func TestAFileThatIsTooLargeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	start := time.Now()
	err := (&Set{}).Read("dump.yaml", io.LimitReader(endless{}, 50<<20))
	if err == nil || err.Error() != "dump.yaml: larger than 32 MiB: split it, for example by namespace" {
		t.Errorf("error: %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// endless is a file of comments.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

// JSON's escapes mean the same here as in package encoding/json.
func TestJSONEscapes(t *testing.T) {
	t.Parallel()
	for escaped, want := range map[string]string{
		`a\/b`:               "a/b",
		`\u00e4\t\"\\`:       "ä\t\"\\",
		`\ud83d\ude00!`:      "😀!",
		`\ud83d`:             "\ufffd",
		`\ude00x`:            "\ufffdx",
		`\ud83dx`:            "\ufffdx",
		`\ud83d\ud83d\ude00`: "\ufffd😀",
		`\\ud83d\\/`:         `\ud83d\/`,
	} {
		s := mustRead(t, `{"kind": "Pod", "metadata": {"annotations": {"a": "`+escaped+`"}}}`)
		if got := s.Objects[0].Annotations["a"].Value; got != want {
			t.Errorf("%s became %q, want %q", escaped, got, want)
		}
	}
}

func TestWhatIsReadOfAPod(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `
apiVersion: batch/v1
kind: CronJob
metadata:
  name: report
  annotations: {outer: "1"}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          labels: {app: report}
          annotations:
            inner: "2"
            empty:
        spec:
          hostNetwork: true
          automountServiceAccountToken: false
          initContainers:
          - {name: linkerd-proxy, restartPolicy: Always}
          - {name: wait, ports: [{containerPort: 7000}]}
          containers:
          - name: app
            ports:
            - {name: web, containerPort: 8080}
            - {containerPort: 8443, protocol: TCP}
            - {name: dns, containerPort: 53, protocol: UDP}
`)
	w := s.Objects[0]
	if w.PodPath != "spec.jobTemplate.spec.template" || w.Line != 2 || w.Annotations["outer"] != (Annotation{"1", 6}) || w.Pod.Labels["app"] != "report" {
		t.Errorf("%+v", w)
	}
	if a := w.Pod.Annotations; len(a) != 2 || a["inner"] != (Annotation{"2", 14}) || a["empty"] != (Annotation{}) {
		t.Errorf("annotations %+v", a)
	}
	if !w.Pod.HostNetwork || !w.Pod.NoToken || w.Pod.Proxy() == nil || !w.Pod.Proxy().Sidecar || w.Pod.Containers[1].Sidecar {
		t.Errorf("%+v", w.Pod)
	}
	if got := w.Pod.Ports().String(); got != "7000,8080,8443" {
		t.Errorf("ports %s", got)
	}
	if port, ok := w.Pod.PortNamed("web"); !ok || port != 8080 {
		t.Errorf("port web is %d, %t", port, ok)
	}
	if _, ok := w.Pod.PortNamed("dns"); ok {
		t.Error("a UDP port was found")
	}
}

// Annotations that come by a merge key count, and the mapping's own go first.
func TestMergeKeys(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `
common: &common {a: "1", b: "2"}
kind: Pod
metadata:
  annotations:
    <<: *common
    b: "3"
`)
	if got := s.Objects[0].Annotations.Values(); len(got) != 2 || got["a"] != "1" || got["b"] != "3" {
		t.Errorf("annotations %v", got)
	}
}
