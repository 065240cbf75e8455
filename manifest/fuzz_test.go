package manifest

import (
	"slices"
	"strings"
	"testing"

	"shunt/config"
)

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"kind: Pod\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\nspec: {containers: [{ports: [{containerPort: 80}]}]}\n",
		"kind: List\nitems:\n- kind: NetworkPolicy\n  spec: {podSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}, ingress: [{from: [{a: b}], ports: [{port: 1, endPort: 5}]}]}\n",
		`{"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"metadata": {"annotations": {"a": "\ud83d\ude00\/"}}}}}}}`,
		"kind: NetworkPolicy\nspec: {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {a: b}}, podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: db}]}]}\n---\nkind: Pod\n",
		"kind: Server\nspec: {port: db, podSelector: {}}\n---\nkind: Service\nspec: {clusterIP: None, ports: [{port: 80, appProtocol: http}]}\n",
		"kind: HelmChartConfig\napiVersion: helm.cattle.io/v1\nspec:\n  valuesContent: |-\n    deployment: {podAnnotations: {linkerd.io/inject: ingress}, annotations: {linkerd.io/inject: a}}\n",
		"{\"kind\": \"Pod\"}\n{", "a: &a [*a]\n", "kind: Pod\nmetadata: {annotations: {a: 1}}", "---\n---\n", "{{ x }}", "kind: Namespace\n<<: {a: b}\n", "\ufeff{",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Set{}
		err := s.Read("f", strings.NewReader(string(data)))
		if err != nil {
			if !config.IsInput(err) || strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 1000 || len(s.Objects)+len(s.Others) > 0 {
				t.Fatalf("%q", err.Error())
			}
			return
		}
		lines := 1
		for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} { // YAML 1.1, section 5.4
			lines += strings.Count(string(data), end)
		}
		for _, o := range slices.Concat(s.Objects, s.Others) {
			if o.Kind == "" || o.File != "f" || o.Line > lines {
				t.Fatalf("%+v of %d lines", o, lines)
			}
		}
		for _, w := range s.Workloads() {
			in := s.Injection(w)
			if in.Injected && in.Why == "" || !in.Injected && len(in.Not) == 0 {
				t.Fatalf("%+v", in)
			}
			if c, err := s.Config(config.Standard(), w, config.ModeCNI); err == nil {
				_, _ = c.Validate()
			}
			for _, p := range s.Objects {
				if p.Policy == nil {
					continue
				}
				p.Policy.Selects(w.Pod.Labels)
				for _, r := range slices.Concat(p.Policy.Ingress, p.Policy.Egress) {
					r.Named(w.Pod)
					s.Admits(p, r, w)
				}
			}
		}
	})
}
