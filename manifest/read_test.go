package manifest

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

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
	return s, s.Err()
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
			if got := names(s.Others); got != tt.skipped {
				t.Errorf("skipped %q, want %q", got, tt.skipped)
			}
		})
	}
}

func TestReadSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "app.yaml: no Kubernetes object in it"},
		{"comments only", "# a\n---\n", "app.yaml: no Kubernetes object in it"},
		{"a text", "hello\n", "app.yaml: line 1: got the text \"hello\": want a Kubernetes object, with apiVersion, kind and metadata"},
		{"a list", "\n- a\n", "app.yaml: line 2: got a list: want a Kubernetes object, with apiVersion, kind and metadata"},
		{"a Helm chart's values", "kind: Pod\nmetadata: {name: a}\n---\nreplicas: 3\n", "app.yaml: line 4: there is no kind: want a Kubernetes object, with apiVersion, kind and metadata"},
		{"an empty item", "kind: List\nitems: [null]\n", "app.yaml: line 2: got no value: want a Kubernetes object, with apiVersion, kind and metadata"},
		{"YAML that is none", "kind: Pod\nmetadata:\n  name: x\n bad\n", "app.yaml: line 4: did not find expected key"},
		{"a tab", "kind: Pod\nmetadata:\n\tname: x\n", "app.yaml: line 3: found character that cannot start any token"},
		{"JSON that is none", "{\"kind\": \"Pod\",\n  x}\n", "app.yaml: line 2: column 3: invalid character 'x' looking for beginning of object key string"},
		{"JSON that ends too early", "{\"kind\":\n \"Pod\"", "app.yaml: line 2: the JSON ends in the middle of an object"},
		{"a template", "{{ .Values.x }}", "app.yaml: line 1: this looks like a template: render it first, as helm template does"},
		{"an annotation that is a number", "kind: Pod\nmetadata:\n  name: x\n  annotations:\n    linkerd.io/skip-ports: 8080\n",
			`app.yaml: line 5: Pod x: "linkerd.io/skip-ports" is the number "8080": Kubernetes takes text only, so write it in quotes`},
		{"an annotation that YAML takes for a boolean", "kind: Deployment\nmetadata: {name: x, namespace: n}\nspec:\n  template:\n    metadata:\n      annotations:\n        a: yes\n",
			`app.yaml: line 7: Deployment n/x: "a" is the boolean true: Kubernetes takes text only, so write it in quotes`},
		{"an annotation that is a list, in JSON", "{\"kind\": \"Pod\",\n\n\"metadata\": {\"name\": \"x\", \"annotations\": {\n\"a\": [1]}}}",
			`app.yaml: line 4: Pod x: "a" is a list: Kubernetes takes text only, so write it in quotes`},
		{"the same in the second JSON object", "{\"kind\": \"Pod\"}\n{\"kind\": \"Pod\", \"metadata\": {\"annotations\":\n {\"a\": 1}}}",
			`app.yaml: line 3: Pod without a name: "a" is the number "1": Kubernetes takes text only, so write it in quotes`},
		{"an annotation that stands twice", "kind: Pod\nmetadata:\n  name: x\n  annotations:\n    a: b\n    a: c\n",
			`app.yaml: line 6: Pod x: "a" is set twice: one value would be lost`},
		{"a field of another type", "kind: Pod\nmetadata: {name: x}\nspec:\n  hostNetwork: maybe\n",
			"app.yaml: line 4: Pod x: got the text \"maybe\": want true or false"},
		{"a port that is none", "kind: Pod\nspec:\n  containers:\n  - ports:\n    - containerPort: 70000\n",
			"app.yaml: line 5: Pod without a name: got the number \"70000\": want a port from 0 to 65535"},
		{"containers that are no list", "kind: List\nitems:\n- kind: Pod\n  metadata: {name: x}\n  spec: {containers: 5}\n",
			"app.yaml: line 5: Pod x: got the number \"5\": want a list"},
		{"a spec that is none", "kind: NetworkPolicy\nmetadata: {name: x}\nspec: 5\n",
			"app.yaml: line 3: NetworkPolicy x: got the number \"5\": want a mapping"},
		{"an alias of nothing", "kind: Pod\nmetadata: *foo\n", "app.yaml: line 1: unknown anchor 'foo' referenced"},
		{"an alias of what it stands in", "kind: Pod\nmetadata: &a {annotations: {x: *a}}\n", "app.yaml: line 2: Pod without a name: \"x\" is a mapping: Kubernetes takes text only, so write it in quotes"},
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
			if tt.name != "the same in the second JSON object" && tt.name != "a Helm chart's values" && len(s.Objects)+len(s.Others) != 0 {
				t.Errorf("an object that is not valid was kept: %s", names(s.Objects))
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
	const want = "its anchors and aliases stand for too many values"
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
			_, err := read(bomb + rest)
			switch name {
			case "in what is skipped", "unread":
				if err != nil {
					t.Error(err)
				}
			default:
				if err == nil || len(err.Error()) > 500 || name == "as a peer" && !strings.Contains(err.Error(), want) {
					t.Errorf("error: %v", err)
				}
			}
		})
	}
}

func TestAFileThatIsTooLargeIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	err := (&Set{}).Read("dump.yaml", io.LimitReader(endless{}, 50<<20))
	if err == nil || err.Error() != "dump.yaml: it is larger than 32 MiB, the most that shunt reads: split it, for example by namespace" {
		t.Errorf("error: %v", err)
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
	if w.PodPath != "spec.jobTemplate.spec.template" || w.Line != 2 || w.Annotations["outer"] != (Text{"1", 6}) || w.Pod.Labels["app"].Value != "report" {
		t.Errorf("%+v", w)
	}
	if a := w.Pod.Annotations; len(a) != 2 || a["inner"] != (Text{"2", 14}) || a["empty"] != (Text{"", 15}) {
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

// What is wrong in one document hides neither the others nor what is wrong in
// them.
func TestOneBadDocumentHidesNoOther(t *testing.T) {
	t.Parallel()
	s := &Set{}
	err := s.Read("app.yaml", strings.NewReader(`kind: Pod
metadata: {name: a}
---
kind: [
---
kind: List
items:
- {kind: Pod, metadata: {name: b}}
- {kind: Pod, metadata: {name: c, labels: 5}}
- {kind: Pod, metadata: {name: d}}
--- # JSON
{"kind": "Pod", "metadata": {"name": "e"}}
{"kind": 5
---
kind: Pod
metadata: {name: f}
...
---
{kind: Pod, metadata: {name: g}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(s.Objects); got != "Pod a, Pod b, Pod d, Pod e, Pod f, Pod g" {
		t.Errorf("objects: %s", got)
	}
	var lines []int
	for _, o := range s.Objects {
		lines = append(lines, o.Line)
	}
	if want := []int{1, 8, 10, 12, 15, 19}; !slices.Equal(lines, want) {
		t.Errorf("on lines %v, want %v", lines, want)
	}
	var broken []string
	for _, b := range s.Broken {
		broken = append(broken, b.Error())
	}
	if want := []string{
		"line 5: did not find expected node content",
		`line 9: Pod c: got the number "5": want a mapping`,
		"line 13: the JSON ends in the middle of an object",
	}; !slices.Equal(broken, want) {
		t.Errorf("broken: %q\nwant:   %q", broken, want)
	}
}

// Reading twice as much takes twice the work, however many objects it is in:
// the memory that is allocated on the way shows it without a clock.
func TestReadingIsLinearInTheInput(t *testing.T) {
	for name, object := range map[string]string{
		"JSON objects, one a line":        `{"kind":"A"}` + "\n",
		"JSON objects over several lines": "{\n\"apiVersion\": \"v1\",\n\"kind\": \"ConfigMap\",\n\"metadata\": {\n\"name\": \"c\"\n}\n}\n",
		"YAML documents":                  "kind: ConfigMap\nmetadata: {name: c}\n---\n",
	} {
		allocated := func(count int) uint64 {
			text := strings.Repeat(object, count)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := &Set{}
			if err := s.Read("f", strings.NewReader(text)); err != nil || len(s.Others) != count {
				t.Fatalf("%s: %d objects, %v", name, len(s.Others), err)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		if few, many := allocated(500), allocated(8*500); many > 12*few {
			t.Errorf("%s: 8 times the input takes %.1f times the memory", name, float64(many)/float64(few))
		}
	}
}

// A pod with very many annotations is read in one pass too: an object's keys
// are not compared with each other.
func TestManyAnnotations(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("kind: Pod\nmetadata:\n  annotations:\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "    a%d: b\n", i)
	}
	if s := mustRead(t, b.String()); len(s.Objects[0].Annotations) != 200_000 {
		t.Errorf("%d annotations", len(s.Objects[0].Annotations))
	}
}

// A pod template is known by its shape, whatever the kind.
func TestAnyKindWithAPodTemplateIsAWorkload(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec: {template: {metadata: {labels: {x: z}}, spec: {containers: [{name: c}]}}}\n", "Rollout a: spec.template"},
		{"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: c}]}}}\n", "Service a: spec.template"},
		{"apiVersion: elasticsearch.k8s.elastic.co/v1\nkind: Elasticsearch\nmetadata: {name: a}\nspec: {nodeSets: [{name: x, podTemplate: {metadata: {annotations: {a: b}}}}, {name: y, podTemplate: {spec: {containers: []}}}]}\n",
			"Elasticsearch a (nodeSets[0].podTemplate): spec.nodeSets[0].podTemplate, Elasticsearch a (nodeSets[1].podTemplate): spec.nodeSets[1].podTemplate"},
		{"apiVersion: example.com/v1\nkind: CronThing\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c}]}}}}}\n", "CronThing a: spec.jobTemplate.spec.template"},
		{"kind: ConfigMap\nmetadata: {name: a}\ndata: {template: {spec: {containers: []}}}\n", ""},
		{"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\nspec: {versions: [{schema: {openAPIV3Schema: {properties: {podTemplate: {type: object, properties: {spec: {properties: {containers: {type: array}}}}}}}}}]}\n", ""},
	} {
		s := mustRead(t, tt.text)
		var got []string
		for _, w := range s.Workloads() {
			got = append(got, w.String()+": "+w.PodPath)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.text, got, tt.want)
		}
	}
}
