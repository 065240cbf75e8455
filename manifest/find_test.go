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
		"Pod/a":                  "which workload? give --workload, one of n/Pod/a, m/Pod/a, Deployment/web",
		"Deployment/wob":         "workload Deployment/wob not found: did you mean Deployment/web?",
		"Service/web":            "workload Service/web not found: the files contain Pod/a, Pod/a, Deployment/web",
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

func text(o *Object, err error) string {
	if err != nil {
		return err.Error()
	}
	return o.String()
}
