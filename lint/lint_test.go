package lint

import (
	"fmt"
	"strings"
	"testing"

	"shunt/manifest"
)

func release(t *testing.T, text string) Release {
	t.Helper()
	r, err := ParseRelease(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func check(t *testing.T, version, text string) []*Finding {
	t.Helper()
	s := &manifest.Set{}
	if err := s.Read("app.yaml", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	findings, _ := Check(s, release(t, version))
	return findings
}

// deployment returns one with a pod's annotations, a line each, and the rest
// of its spec.
func deployment(annotations, spec string) string {
	if annotations != "" {
		annotations = strings.ReplaceAll("\n"+annotations, "\n", "\n        ")
	}
	return `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata:
      labels: {app: web}
      annotations:
        linkerd.io/inject: enabled` + annotations + `
    spec:
      containers:
      - name: web
        ports: [{name: http, containerPort: 8080}, {name: db, containerPort: 9306}]
` + spec
}

// ids lists the rules of findings.
func ids(findings []*Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Rule)
	}
	return strings.Join(out, " ")
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	const c = "config.linkerd.io/"
	for _, tt := range []struct {
		annotation string
		want       string // the rules
		fix        string // what the first says to write
	}{
		{c + `skip-inbound-ports: "8080"`, "", ""},
		{c + `skip-inbound-port: "8080"`, misspeltAnnotation, c + `skip-inbound-ports: "8080"`},
		{c + `skip_outbound_ports: "80"`, misspeltAnnotation, c + `skip-outbound-ports: "80"`},
		{c + `skip-outbond-ports: "80"`, misspeltAnnotation, c + `skip-outbound-ports: "80"`},
		{`linkerd.io/skip-outbound-ports: "80"`, misspeltAnnotation, c + `skip-outbound-ports: "80"`},
		{`linkerd.io/opaque-ports: "80"`, misspeltAnnotation, c + `opaque-ports: "80"`},
		{`config.linkerd.io/inject: enabled`, misspeltAnnotation, `linkerd.io/inject: "enabled"`},
		{`linkerd.io/injected: enabled`, misspeltAnnotation, `linkerd.io/inject: "enabled"`},
		{`config.linkrd.io/proxy-uid: "1"`, misspeltAnnotation, c + `proxy-uid: "1"`},
		{`config.linkerd.com/proxy-uid: "1"`, misspeltAnnotation, c + `proxy-uid: "1"`},
		{`gateway.linkerd.io/skip-subnets: ""`, misspeltAnnotation, c + `skip-subnets: ""`},
		{`shunt/skip-outbound-uid: "1"`, misspeltAnnotation, `shunt/skip-outbound-uids: "1"`},
		{c + "teleportation: far", unknownAnnotation, "nothing, or one of Linkerd's annotations"},
		{"linkerd.io/teleportation: far", unknownAnnotation, "nothing, or one of Linkerd's annotations"},
		{"retry.linkerd.io/http: 5xx", misplacedAnnotation, "the same on the Service that clients connect to"},
		{"retry.linkerd.io/htp: 5xx", misspeltAnnotation, `retry.linkerd.io/http: "5xx"`},
		{"policy.linkerd.io/anything: x", "", ""},
		{"policy.linkerd.io/http: x", "", ""},
		{c + "limit: x", unknownAnnotation, "nothing, or one of Linkerd's annotations"},
		{"balancer.linkerd.io/penalize-failures: 'true'", misspeltAnnotation, `balancer.alpha.linkerd.io/penalize-failures: "true"`},
		{"mirror.linkerd.io/exported: 'true'", "", ""},
		{"config.linkerd.io/admission-webhooks: disabled", misplacedAnnotation, `under labels: config.linkerd.io/admission-webhooks: "disabled"`},
		{"prometheus.io/scrape: 'true'", "", ""},
		{"app: web", "", ""},
		{c + `skip-outbound-ports: "80-"`, invalidValue, `a number from 0 to 65535 or a range such as 4000-4100`},
		{c + `skip-outbound-ports: "http"`, invalidValue, `a number from 0 to 65535 or a range such as 4000-4100`},
		{c + `skip-outbound-ports: ""`, "", ""},
		{`linkerd.io/skip-ports: "99999"`, invalidValue, `a number from 0 to 65535 or a range such as 4000-4100`},
		{c + `skip-subnets: "10.0.0.0/33"`, invalidValue, `CIDR such as 10.0.0.0/8 or fd00::/8, or an address`},
		{c + `proxy-uid: root`, invalidValue, `a number from 0 to 4294967294, or -1 for none`},
		{c + `proxy-uid: "-1"`, invalidValue, "values that do not contradict each other"},
		{`shunt/skip-outbound-uids: "1000-"`, invalidValue, `a number from 0 to 4294967294 or a range such as 1000-1999`},
		{c + `admin-port: "0"`, invalidValue, `a number from 1 to 65535`},
		{c + `opaque-ports: "3306,http,5000-5010,"`, "", ""},
		{c + `opaque-ports: "3306,,5000"`, invalidValue, "ports and ranges separated by single commas, such as 3306,4000-4100"},
		{c + `opaque-ports: mysql`, invalidValue, `ports, or names of the containers' ports (no port is named "mysql"), such as 3306,4000-4100`},
		{c + `proxy-await: "true"`, invalidValue, "one of enabled, disabled"},
		{c + `proxy-await: "enabled|disabled"`, invalidValue, "one of enabled, disabled"},
		{c + `proxy-await: enabled`, "", ""},
		{c + `access-log: ""`, "", ""},
		{c + `access-log: nginx`, invalidValue, "one of apache, json, none"},
		{c + `default-inbound-policy: audit`, "", ""},
		{c + `enable-debug-sidecar: "yes"`, invalidValue, `"true" or "false"`},
		{c + `enable-debug-sidecar: "1"`, "", ""},
		{c + `proxy-outbound-connect-timeout: 1000`, invalidDocument, ""},
		{c + `proxy-outbound-connect-timeout: "1000"`, invalidValue, `a duration such as "30s" or "500ms"`},
		{c + `proxy-outbound-connect-timeout: 1000ms`, "", ""},
		{`config.alpha.linkerd.io/proxy-wait-before-exit-seconds: 5s`, invalidValue, `a whole number such as "30"`},
		{`config.alpha.linkerd.io/proxy-wait-before-exit-seconds: "5"`, "", ""},
		{c + `proxy-cpu-request: 100 m`, invalidValue, `a quantity such as "100m" or "64Mi"`},
		{c + `proxy-cpu-request: 0x10`, invalidDocument, ""},
		{c + `proxy-cpu-request: "0x10"`, invalidValue, `a quantity such as "100m" or "64Mi"`},
		{c + `proxy-cpu-request: 1.5e3m`, invalidValue, `a quantity such as "100m" or "64Mi"`},
		{c + `proxy-cpu-request: "0.5"`, "", ""},
		{c + `proxy-cpu-request: "1e3"`, "", ""},
		{c + `proxy-memory-limit: 250Mi`, "", ""},
		{c + `proxy-memory-limit: 250MB`, invalidValue, `a quantity such as "100m" or "64Mi"`},
		{c + `proxy-memory-limit: nan`, invalidValue, `a quantity such as "100m" or "64Mi"`},
		{c + `proxy-cpu-ratio-limit: "1.5"`, invalidValue, `a number between 0 and 1, such as "0.5"`},
		{c + `proxy-cpu-ratio-limit: "0.5"`, "", ""},
		{c + `proxy-additional-env: '[{"name": "A"}]'`, "", ""},
		{c + `proxy-additional-env: A=b`, invalidValue, `a JSON list of environment variables such as [{"name":"A","value":"b"}]`},
		{c + `pod-inbound-ports: "80,443"`, "", ""},
		{c + `pod-inbound-ports: web`, invalidValue, `a number from 0 to 65535 or a range such as 4000-4100`},
		{c + `image-pull-policy: always`, invalidValue, "one of Always, IfNotPresent, Never"},
		{"linkerd.io/created-by: anything", "", ""},
	} {
		t.Run(tt.annotation, func(t *testing.T) {
			t.Parallel()
			got := check(t, "2.20", deployment(tt.annotation, ""))
			if ids(got) != tt.want {
				t.Fatalf("found %q, want %q", ids(got), tt.want)
			}
			if len(got) == 0 {
				return
			}
			f := got[0]
			key, _, _ := strings.Cut(tt.annotation, ": ")
			if f.Fix != tt.fix || f.Object != "Deployment shop/web" || f.File != "app.yaml" {
				t.Errorf("got %+v", f)
			}
			if tt.fix != "values that do not contradict each other" && tt.want != invalidDocument && (f.Line != 10 || f.Path != `spec.template.metadata.annotations["`+key+`"]`) {
				t.Errorf("at %s, line %d", f.Path, f.Line)
			}
		})
	}
}

func TestWhereAnnotationsAreRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"on a namespace", "kind: Namespace\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled, config.linkerd.io/skip-subnets: 10.0.0.0/8}}\n", ""},
		{"a pod's on a namespace", "kind: Namespace\nmetadata: {name: a, annotations: {linkerd.io/skip-ports: '80'}}\n", misplacedAnnotation},
		{"on a Service", "kind: Service\nmetadata: {name: a, annotations: {config.linkerd.io/opaque-ports: '80,db'}}\n", ""},
		{"a pod's on a Service", "kind: Service\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n", notInjected},
		{"a pod's on a Service, and on pods as well", "kind: Service\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n---\nkind: Pod\nmetadata: {name: b, annotations: {linkerd.io/inject: enabled}}\n", misplacedAnnotation},
		{"a pod's on a ServiceAccount", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n", notInjected},
		{"a pod's on an operator's object, which may hand it on", "apiVersion: jaegertracing.io/v1\nkind: Jaeger\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n", ""},
		{"misspelt on an operator's object", "apiVersion: jaegertracing.io/v1\nkind: Jaeger\nmetadata: {name: a, annotations: {linkerd.io/injct: enabled}}\n", misspeltAnnotation},
		{"a Service's on a Service", "kind: Service\nmetadata: {name: a, annotations: {timeout.linkerd.io/request: 10s, balancer.linkerd.io/failure-accrual: consecutive}}\n", ""},
		{"a route's, without a unit", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a, annotations: {timeout.linkerd.io/request: '10'}}\n", invalidValue},
		{"names of a Service's ports", "kind: Service\nmetadata: {name: a, annotations: {config.linkerd.io/opaque-ports: 'db,x'}}\nspec: {ports: [{name: db, port: 1}]}\n", invalidValue},
		{"what pods do not inherit, on a namespace", "kind: Namespace\nmetadata: {name: a, annotations: {config.linkerd.io/enable-gateway: 'true', config.linkerd.io/proxy-await: enabled}}\n", misplacedAnnotation},
		{"on a Pod", "kind: Pod\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n", ""},
		{"on what makes pods", "kind: StatefulSet\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\n", notInjected},
		{"on what makes pods, and on the pods", "kind: StatefulSet\nmetadata: {name: a, annotations: {linkerd.io/inject: enabled}}\nspec: {template: {metadata: {annotations: {linkerd.io/inject: enabled}}}}\n", ""},
		{"misspelt on what makes pods", "kind: StatefulSet\nmetadata: {name: a, annotations: {linkerd.io/injct: enabled}}\n", misspeltAnnotation},
		{"what Linkerd itself writes", "kind: Deployment\nmetadata: {name: a, annotations: {linkerd.io/created-by: cli}, labels: {linkerd.io/control-plane-ns: linkerd}}\n", ""},
		{"as a label", "kind: Namespace\nmetadata: {name: a, labels: {linkerd.io/inject: enabled}}\n", notInjected},
		{"as a label and an annotation", "kind: Namespace\nmetadata: {name: a, labels: {linkerd.io/inject: enabled}, annotations: {linkerd.io/inject: enabled}}\n", misplacedAnnotation},
		{"as a pod's label", "kind: Deployment\nmetadata: {name: a}\nspec: {template: {metadata: {labels: {linkerd.io/inject: enabled}}}}\n", notInjected},
		{"the label that Linkerd has", "kind: Namespace\nmetadata: {name: a, labels: {config.linkerd.io/admission-webhooks: disabled}}\n", ""},
		{"on a policy", "kind: NetworkPolicy\nmetadata: {name: a, annotations: {linkerd.io/injct: b}}\n", misspeltAnnotation},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestInvalidAnnotationsDoNotHideTheRest(t *testing.T) {
	t.Parallel()
	got := ids(check(t, "2.20", deployment("config.linkerd.io/skip-outbound-ports: x\nconfig.linkerd.io/skip-inbound-ports: \"7777\"", "")))
	if got != invalidValue+" "+skipUnexposedPort {
		t.Errorf("found %q", got)
	}
}

// What was meant is looked for so many times and not for every key: each search
// takes the square of a key's length.
func TestSearchesForWhatWasMeantAreBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	const keys = 20_000
	for i := range keys {
		fmt.Fprintf(&b, "config.linkerd.io/skip-inbound-port%d: \"80\"\n", i)
	}
	s := &manifest.Set{}
	if err := s.Read("f", strings.NewReader(deployment(strings.TrimSpace(b.String()), ""))); err != nil {
		t.Fatal(err)
	}
	l := newLinter(s, release(t, "2.20"))
	l.check()
	if len(l.guesses) != maxGuesses {
		t.Errorf("%d searches", len(l.guesses))
	}
	if len(l.findings) != keys {
		t.Errorf("%d findings of %d", len(l.findings), keys)
	}
}

// Where all select all, the comparisons are bounded, and that is said once.
func TestComparisonsAreBounded(t *testing.T) {
	t.Parallel()
	s := &manifest.Set{}
	for i, text := range []string{deployment("", ""), "kind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 8080}]}]}\n",
		"kind: Service\nmetadata: {name: b, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 8080}]}\n"} {
		if err := s.Read(fmt.Sprint(i), strings.NewReader(strings.Repeat("---\n"+text, 50))); err != nil {
			t.Fatal(err)
		}
	}
	for _, steps := range []int{1_000, maxSteps} {
		l := newLinter(s, release(t, "2.20"))
		l.steps = steps
		l.check()
		said := 0
		for _, f := range l.findings {
			if f.Rule == tooMany {
				said++
			}
		}
		if used := steps - l.steps; (said == 1) != (steps == 1_000) || used < 1_000 || used > 50*50*10 {
			t.Errorf("%d steps: said %d times, %d used", steps, said, used)
		}
	}
}

// A name cannot print a line of its own, such as a command to the CI that runs
// lint, or move the terminal's cursor.
func TestANameForgesNoLine(t *testing.T) {
	t.Parallel()
	s := &manifest.Set{}
	if err := s.Read("f\x1b[2J.yaml", strings.NewReader(`{"kind": "Pod", "metadata": {"name": "x\n::error::owned", "annotations": {
		"linkerd.io/inject": "enabled", "config.linkerd.io/skip-inbound-port\r": "\u001b]0;owned\u0007"}}}`)); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	findings, _ := Check(s, release(t, "2.20"))
	if err := WriteText(&out, findings); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Count(text, "\n") != 3 || strings.ContainsAny(text, "\x1b\r\a") || !strings.Contains(text, `Pod x\n::error::owned`) {
		t.Errorf("%q", text)
	}
}
