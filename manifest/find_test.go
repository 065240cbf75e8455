package manifest

import (
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	s := mustRead(t, "{kind: Pod, metadata: {name: a, namespace: n}}", "{kind: Pod, metadata: {name: a, namespace: m}}",
		"{kind: Deployment, metadata: {name: web}}", "{kind: Service, metadata: {name: web}}")
	for name, want := range map[string]string{
		"Deployment/web":         "Deployment web",
		"deployment/web":         "Deployment web",
		"default/deployment/web": "Deployment web",
		"n/Pod/a":                "Pod n/a",
		"m/pod/a":                "Pod m/a",
		"web":                    "Deployment web",
		"deploy/web":             "Deployment web",
		"deployments.apps/web":   "Deployment web",
		"default/web":            "Deployment web",
		"default/deploy/web":     "Deployment web",
		"Deployment web":         "Deployment web",
		"Pod n/a":                "Pod n/a",
		"m/a":                    "Pod m/a",
		"m/po/a":                 "Pod m/a",
		"deploy/deploy/web":      "Deployment web",
		"x/n/Pod/a":              "workload x/n/Pod/a not found: did you mean n/Pod/a?",
		"sts/web":                "workload sts/web not found: the files contain n/Pod/a, m/Pod/a, Deployment/web",
		"other/web":              "workload other/web not found: the files contain n/Pod/a, m/Pod/a, Deployment/web",
		"Pod/a":                  "which workload? give --workload, one of n/Pod/a, m/Pod/a",
		"a":                      "which workload? give --workload, one of n/Pod/a, m/Pod/a",
		"Deployment/wob":         "workload Deployment/wob not found: did you mean Deployment/web?",
		"Service/web":            "workload Service/web not found: the files contain n/Pod/a, m/Pod/a, Deployment/web",
		"":                       "which workload? give --workload, one of n/Pod/a, m/Pod/a, default/Deployment/web",
	} {
		o, err := s.Find(name)
		if got := text(o, err); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if o, err := mustRead(t, "kind: Service").Find(""); text(o, err) != "the files contain no workload" {
		t.Errorf("got %q", text(o, err))
	}
	if o, err := mustRead(t, "{kind: Job, metadata: {name: j}}").Find(""); text(o, err) != "Job j" {
		t.Errorf("got %q", text(o, err))
	}
}

// An operator's object has several pod templates, and each is a workload.
func TestFindAPartOfAnObject(t *testing.T) {
	t.Parallel()
	s := mustRead(t, `{apiVersion: elasticsearch.k8s.elastic.co/v1, kind: Elasticsearch, metadata: {name: logs}, spec: {nodeSets: [
		{name: hot, podTemplate: {spec: {containers: [{name: a}]}}}, {name: cold, podTemplate: {spec: {containers: [{name: a}]}}}]}}`)
	names := s.Names()
	if len(names) != 2 || names[0] == names[1] {
		t.Fatalf("names %q", names)
	}
	for i, name := range names {
		for _, name := range []string{name, s.Workloads()[i].String()} {
			if o, err := s.Find(name); err != nil || o != s.Workloads()[i] {
				t.Errorf("%q: %v, %v", name, o, err)
			}
		}
	}
	if o, err := s.Find("logs"); err == nil {
		t.Errorf("found %s of two", o)
	}
}

func text(o *Object, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.String()
}
