package manifest

import (
	"strings"
	"testing"

	"shunt/config"
)

// ns returns a Namespace object with an inject annotation and a label.
func ns(inject, label string) string {
	text := "kind: Namespace\nmetadata: {name: shop"
	if label != "" {
		text += ", labels: {" + label + "}"
	}
	if inject != "" {
		text += ", annotations: {linkerd.io/inject: " + inject + "}"
	}
	return text + "}\n"
}

func TestWhoIsInjected(t *testing.T) {
	t.Parallel()
	const (
		namespaceAbsent = "no annotation linkerd.io/inject on the pod, and Namespace shop is not in the files"
		wants           = ": want enabled, ingress or disabled"
	)
	for _, tt := range []struct {
		name      string
		namespace string // a Namespace object, or none
		pod       string // the pod's annotations
		spec      string
		in        string // another namespace
		want      string // why it is injected, or "not: " and why it is not
	}{
		{"asked for by the pod", "", "linkerd.io/inject: enabled", "", "", `linkerd.io/inject is "enabled" (pod annotation)`},
		{"ingress mode", "", "linkerd.io/inject: ingress", "", "", `linkerd.io/inject is "ingress" (pod annotation)`},
		{"asked for by the namespace", ns("enabled", ""), "", "", "", `linkerd.io/inject is "enabled" (namespace annotation)`},
		{"ingress mode by the namespace", ns("ingress", ""), "", "", "", `linkerd.io/inject is "ingress" (namespace annotation)`},
		{"an empty annotation is none", ns("enabled", ""), `linkerd.io/inject: ""`, "", "", `linkerd.io/inject is "enabled" (namespace annotation)`},
		{"the pod goes first", ns("disabled", ""), "linkerd.io/inject: enabled", "", "", `linkerd.io/inject is "enabled" (pod annotation)`},
		{"nobody asks", ns("", ""), "", "", "", "not: no annotation linkerd.io/inject on the pod or its namespace"},
		{"nobody asks, as far as is known", "", "", "", "", "not: " + namespaceAbsent},
		{"the pod declines", ns("enabled", ""), "linkerd.io/inject: disabled", "", "", `not: linkerd.io/inject is "disabled" (pod annotation)`},
		{"the namespace declines", ns("disabled", ""), "", "", "", `not: linkerd.io/inject is "disabled" (namespace annotation)`},
		{"a value that Linkerd does not know", "", `linkerd.io/inject: "true"`, "", "", `not: linkerd.io/inject is "true" (pod annotation)` + wants},
		{"one on the namespace spoils it for all", ns("'yes'", ""), "linkerd.io/inject: enabled", "", "", `not: linkerd.io/inject is "yes" (namespace annotation)` + wants},
		{"the host's network", "", "linkerd.io/inject: enabled", "hostNetwork: true", "", "not: hostNetwork is true, so its rules would be the node's"},
		{"two reasons", "", "", "hostNetwork: true", "", "not: " + namespaceAbsent + "; hostNetwork is true, so its rules would be the node's"},
		{"another mesh's sidecar", "", "linkerd.io/inject: enabled", "containers: [{name: istio-proxy}]", "", "not: a sidecar is there already: container istio-proxy"},
		{"another sidecar, by its image", "", "linkerd.io/inject: enabled", `containers: [{name: p, image: "gcr.io/istio-release/proxyv2:1.9"}]`, "", "not: a sidecar is there already: container p"},
		{"an init container of a sidecar", "", "linkerd.io/inject: enabled", "initContainers: [{name: linkerd-init}]", "", "not: a sidecar is there already: container linkerd-init"},
		{"the same name among the others", "", "linkerd.io/inject: enabled", "containers: [{name: linkerd-init}]", "", `linkerd.io/inject is "enabled" (pod annotation)`},
		{"no token, where Linkerd mounts one of its own", "", "linkerd.io/inject: enabled", "automountServiceAccountToken: false", "", `linkerd.io/inject is "enabled" (pod annotation)`},
		{"the control plane's own pods", "", "linkerd.io/inject: enabled", "", "", "not: Linkerd's webhook leaves out pods with the label linkerd.io/control-plane-component"},
		{"the proxy is there already", "", "", "containers: [{name: linkerd-proxy}]", "", "it has the container linkerd-proxy"},
		{"the proxy is there already, as a native sidecar", "", "linkerd.io/inject: disabled", "initContainers: [{name: linkerd-init}, {name: linkerd-proxy, restartPolicy: Always}]", "", "it has the container linkerd-proxy"},
		{"the proxy on the host's network", "", "", "hostNetwork: true\n  containers: [{name: linkerd-proxy}]", "",
			"not: " + namespaceAbsent + "; hostNetwork is true, so its rules would be the node's"},
		{"a namespace that the webhook leaves out", "", "linkerd.io/inject: enabled", "", "kube-system", "not: Linkerd's webhook leaves out Namespace kube-system"},
		{"a namespace that leaves the webhook out", ns("enabled", "config.linkerd.io/admission-webhooks: disabled"), "", "", "",
			"not: label config.linkerd.io/admission-webhooks is disabled (Namespace shop)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := "shop"
			if tt.in != "" {
				in = tt.in
			}
			pod := "kind: Pod\nmetadata:\n  name: a\n  namespace: " + in + "\n  annotations: {" + tt.pod + "}\nspec:\n  " + tt.spec + "\n"
			if strings.HasPrefix(tt.name, "the control plane") {
				pod = strings.Replace(pod, "metadata:\n", "metadata:\n  labels: {linkerd.io/control-plane-component: identity}\n", 1)
			}
			s := mustRead(t, tt.namespace+"---\n"+pod)
			got := s.Injection(s.Workloads()[0])
			say := got.Why
			if !got.Injected {
				say = "not: " + strings.Join(got.Not, "; ")
			}
			if say != tt.want {
				t.Errorf("got  %s\nwant %s", say, tt.want)
			}
		})
	}
}

// Where Linkerd mounts no token of its own, as before 2.12, a pod needs one.
func TestPodsWithoutTokens(t *testing.T) {
	t.Parallel()
	s := mustRead(t, "kind: Pod\nmetadata: {annotations: {linkerd.io/inject: enabled}}\nspec: {automountServiceAccountToken: false}\n")
	s.NeedTokens = true
	if in := s.Injection(s.Workloads()[0]); in.Injected || !strings.HasPrefix(strings.Join(in.Not, ""), "automountServiceAccountToken is false") {
		t.Errorf("%+v", in)
	}
}

// What is not known about injection is said, and nothing is assumed.
func TestWhatIsNotKnownAboutInjection(t *testing.T) {
	t.Parallel()
	s := mustRead(t, ns("enabled", "")+`---
kind: Pod
metadata: {name: known, namespace: shop}
---
kind: Pod
metadata: {name: says, namespace: other, annotations: {linkerd.io/inject: disabled}}
---
kind: Pod
metadata: {name: unknown, namespace: other}
---
kind: Pod
metadata: {name: done, namespace: other}
spec: {containers: [{name: linkerd-proxy}]}
`)
	for _, w := range s.Workloads() {
		if in := s.Injection(w); in.Unknown != (w.Name == "unknown") {
			t.Errorf("%s: %+v", w, in)
		}
	}
}

// The design's table of annotations, of a pod and of its namespace, in the two
// ways in which Linkerd combines them.
func TestConfigOfAWorkload(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `
kind: Namespace
metadata:
  name: shop
  annotations:
    config.linkerd.io/skip-inbound-ports: "8200"
    config.linkerd.io/skip-outbound-ports: "5671"
    linkerd.io/skip-ports: "1"
    config.linkerd.io/proxy-uid: "3000"
---
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {config.linkerd.io/proxy-gid: "7"}}
spec:
  template:
    metadata:
      annotations:
        config.linkerd.io/skip-inbound-ports: "8080"
        linkerd.io/skip-ports: "9000"
`)
	for _, tt := range []struct {
		mode    config.Mode
		inbound string
		source  config.Source
	}{
		{config.ModeInit, "4190-4191,8080,9000",
			"pod annotation config.linkerd.io/skip-inbound-ports + pod annotation linkerd.io/skip-ports + control-port + admin-port"},
		{config.ModeCNI, "4190-4191,4567-4568,8080,9000",
			"default + pod annotation config.linkerd.io/skip-inbound-ports + pod annotation linkerd.io/skip-ports"},
	} {
		c, err := s.Config(config.Standard(), s.Workloads()[0], tt.mode)
		if err != nil {
			t.Fatal(err)
		}
		if c.SkipInboundPorts.String() != tt.inbound || c.Sources.Of("skip-inbound-ports") != tt.source {
			t.Errorf("%s: inbound %s from %s", tt.mode, c.SkipInboundPorts, c.Sources.Of("skip-inbound-ports"))
		}
		if c.SkipOutboundPorts.String() != "5671,9000" || c.ProxyUID != 3000 || c.ProxyGID != config.NoID {
			t.Errorf("%s: %+v", tt.mode, c)
		}
		if got := c.Sources.Of("proxy-uid"); got != "namespace annotation config.linkerd.io/proxy-uid" {
			t.Errorf("%s: proxy-uid from %s", tt.mode, got)
		}
	}
}

func TestABadAnnotationIsAnError(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `{kind: Pod, metadata: {name: a, annotations: {config.linkerd.io/skip-outbound-ports: "80-"}}}`)
	_, err := s.Config(config.Standard(), s.Workloads()[0], config.ModeInit)
	if !config.IsInput(err) || !strings.Contains(err.Error(), `pod annotation config.linkerd.io/skip-outbound-ports: "80-"`) {
		t.Errorf("error: %v", err)
	}
}

func TestPoliciesSelectByLabels(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		selector, labels string
		want             bool
	}{
		{"", "a: b", true},
		{"matchLabels: {a: b}", "a: b", true},
		{"matchLabels: {a: b}", "a: c", false},
		{"matchLabels: {a: ''}", "", false},
		{"matchExpressions: [{key: a, operator: In, values: [b, c]}]", "a: c", true},
		{"matchExpressions: [{key: a, operator: In, values: [b, c]}]", "", false},
		{"matchExpressions: [{key: a, operator: NotIn, values: [b]}]", "", true},
		{"matchExpressions: [{key: a, operator: NotIn, values: [b]}]", "a: b", false},
		{"matchExpressions: [{key: a, operator: Exists}]", "a: b", true},
		{"matchExpressions: [{key: a, operator: Exists}]", "", false},
		{"matchExpressions: [{key: a, operator: DoesNotExist}]", "", true},
		{"matchExpressions: [{key: a, operator: DoesNotExist}]", "a: b", false},
		{"matchExpressions: [{key: a, operator: Perhaps}]", "a: b", false},
	} {
		s := mustRead(t, "kind: NetworkPolicy\nspec: {podSelector: {"+tt.selector+"}}\n---\n{kind: Pod, metadata: {labels: {"+tt.labels+"}}}\n")
		if got := s.Objects[0].Policy.Selects(s.Objects[1].Labels); got != tt.want {
			t.Errorf("{%s} selects {%s}: %t", tt.selector, tt.labels, got)
		}
	}
}

// Without policyTypes, a policy is about what comes in, and about what goes out
// if it has rules for that.
func TestDirectionsOfPolicies(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"":                                  "in",
		"ingress: [{}]":                     "in",
		"egress: [{}]":                      "in out",
		"policyTypes: [Egress]":             "out",
		"policyTypes: [Ingress]":            "in",
		"policyTypes: [Ingress, Egress]":    "in out",
		"policyTypes: [], egress: []":       "in",
		"policyTypes: [Egress], egress: []": "out",
	} {
		p := mustRead(t, "kind: NetworkPolicy\nspec: {"+spec+"}\n").Objects[0].Policy
		var got []string
		if p.Ingress != nil {
			got = append(got, "in")
		}
		if p.Egress != nil {
			got = append(got, "out")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("{%s}: %q, want %q", spec, got, want)
		}
	}
}

func TestPeersOfARule(t *testing.T) {
	t.Parallel()
	const objects = `kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
kind: Pod
metadata: {name: far, namespace: elsewhere, labels: {app: web}}
---
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {egress: [{`
	for _, tt := range []struct {
		to       string
		web, far Answer
	}{
		{"", Yes, Yes},
		{"to: []", Yes, Yes},
		{"to: [{podSelector: {}}]", Yes, No},
		{"to: [{podSelector: {matchLabels: {app: web}}}]", Yes, No},
		{"to: [{podSelector: {matchLabels: {app: db}}}]", No, No},
		{"to: [{podSelector: {matchLabels: {app: db}}}, {podSelector: {}}]", Yes, No},
		{"to: [{namespaceSelector: {}}]", Yes, Yes},
		{"to: [{namespaceSelector: {matchLabels: {team: a}}}]", Yes, Unknown},
		{"to: [{namespaceSelector: {matchLabels: {team: b}}}]", No, Unknown},
		{"to: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: db}}}]", No, No},
		{"to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: elsewhere}}}]", No, Yes},
		{"to: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop]}]}}]", Yes, No},
		{"to: [{ipBlock: {cidr: 10.0.0.0/8}}]", Unknown, Unknown},
	} {
		s := mustRead(t, objects+tt.to+"}]}\n")
		policy := s.Objects[3]
		rule := policy.Policy.Egress[0]
		if web, far := s.Admits(policy, rule, s.Objects[1]), s.Admits(policy, rule, s.Objects[2]); web != tt.web || far != tt.far {
			t.Errorf("%s: %d, %d; want %d, %d", tt.to, web, far, tt.web, tt.far)
		}
	}
}

func TestPortsThatAPolicyNames(t *testing.T) {
	t.Parallel()
	pod := mustRead(t, "kind: Pod\nspec: {containers: [{ports: [{name: db, containerPort: 3306}]}]}\n").Objects[0].Pod
	for rule, want := range map[string]string{
		"":                                "all",
		"ports: []":                       "all",
		"ports: [{protocol: TCP}]":        "all",
		"ports: [{port: 80}]":             "80",
		"ports: [{port: '80'}]":           "80",
		"ports: [{port: 80, endPort: 9}]": "80",
		"ports: [{port: 80, endPort: 90}, {port: 443}]":        "80-90,443",
		"ports: [{port: 53, protocol: UDP}]":                   "",
		"ports: [{protocol: UDP}]":                             "",
		"ports: [{port: db}]":                                  "3306",
		"ports: [{port: other}]":                               "",
		"from: [{podSelector: {}}]\n    ports: [{port: 4143}]": "4143",
	} {
		s := mustRead(t, "kind: NetworkPolicy\nspec:\n  ingress:\n  - x: y\n    "+rule+"\n")
		ports, all := s.Objects[0].Policy.Ingress[0].Named(pod)
		got := ports.String()
		if all {
			got = "all"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", rule, got, want)
		}
	}
}
