package manifest

import (
	"strings"
	"testing"
)

// The values of a chart that an object installs are looked into for
// annotations; the lines are the file's.
func TestAnnotationsInAChartsValues(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata:
  name: traefik
  namespace: kube-system
spec:
  valuesContent: |-
    # a comment
    deployment:
      podAnnotations:
        linkerd.io/inject: ingress
      annotations:
        linkerd.io/inject: enabled
    service:
      annotations: {prometheus.io/scrape: "true"}
---
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: traefik, namespace: kube-system}
spec:
  targetNamespace: traefik
  valuesContent: "podAnnotations: {linkerd.io/inject: enabled}\npods: {annotations: {linkerd.io/inject: enabled}}"
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: app, namespace: flux}
spec:
  values:
    controller:
      podAnnotations: {config.linkerd.io/opaque-ports: "9000"}
---
apiVersion: helm.cattle.io/v1
kind: HelmChart
metadata: {name: other, namespace: kube-system}
spec: {valuesContent: "a: {{ b }}"}
`)
	want := []struct {
		name, path string
		line       int
	}{
		{"HelmChartConfig kube-system/traefik (valuesContent.deployment.podAnnotations)", "spec.valuesContent.deployment.podAnnotations", 11},
		{"HelmChart traefik/traefik (valuesContent.podAnnotations)", "spec.valuesContent.podAnnotations", 22},
		{"HelmChart traefik/traefik (valuesContent.pods.annotations)", "spec.valuesContent.pods.annotations", 22},
		{"HelmRelease flux/app (values.controller.podAnnotations)", "spec.values.controller.podAnnotations", 30},
	}
	if len(s.Objects) != len(want) || len(s.Others) != 1 || len(s.Broken) != 0 {
		t.Fatalf("%d objects, %d others, %v", len(s.Objects), len(s.Others), s.Broken)
	}
	for i, w := range want {
		o := s.Objects[i]
		line := 0
		for _, a := range o.Pod.Annotations {
			line = a.Line
		}
		if o.String() != w.name || o.Pod.AnnotationsPath != w.path || line != w.line {
			t.Errorf("%s at %s, line %d; want %+v", o, o.Pod.AnnotationsPath, line, w)
		}
	}
	if v := s.Objects[0].Values; len(v) != 1 || v[0].Path != "spec.valuesContent.deployment.annotations" || v[0].Annotations["linkerd.io/inject"].Line != 13 {
		t.Errorf("values: %+v", v)
	}
}

func TestInvalidValuesOfAChart(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: c}\nspec:\n  valuesContent: |\n"
	for text, want := range map[string]string{
		"    a: [\n": "line 5: HelmChart c: line 2 of the text: ",
		"    podAnnotations: {linkerd.io/inject: true}\n": `line 6: HelmChart c (valuesContent.podAnnotations): "linkerd.io/inject" is the boolean true`,
	} {
		s := &Set{}
		_ = s.Read("f", strings.NewReader(head+text))
		if len(s.Broken) != 1 || !strings.HasPrefix(s.Broken[0].Error(), want) {
			t.Errorf("%q: %v", text, s.Broken)
		}
	}
}

// To YAML, what a template has in place of a value is a mapping: such a document
// was not rendered, and is not an object that somebody got wrong.
func TestTemplatesThatAreValidYAML(t *testing.T) {
	t.Parallel()
	for text, foreign := range map[string]bool{
		"kind: Service\nmetadata: {name: a}\nspec:\n  selector:\n    cell: {{cell}}\n":        true,
		"kind: Pod\nmetadata:\n  annotations:\n    a: {{ b }}\n":                              true,
		"kind: Pod\nmetadata:\n  annotations:\n    a: {b: c}\n":                               false,
		"kind: Pod\nmetadata:\n  annotations:\n    a: {b: c}\n    x: \"{{workflow.name}}\"\n": false,
	} {
		s := &Set{}
		_ = s.Read("f", strings.NewReader(text))
		if len(s.Broken) != 1 || s.Broken[0].Foreign != foreign {
			t.Errorf("%q: %+v", text, s.Broken)
		}
	}
}
