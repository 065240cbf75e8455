package pods

import (
	"encoding/json"
	"reflect"
	"testing"

	"shunt/config"
)

func TestWhetherAPodIsMeshed(t *testing.T) {
	t.Parallel()
	proxied := map[string]string{ProxyVersion: "edge-26.8.1"}
	for _, tt := range []struct {
		name  string
		facts Facts
		want  bool
	}{
		{"nothing is known", Facts{}, false},
		{"annotated by the injector", Facts{Annotations: proxied}, true},
		{"the version that a pod asks for is no proxy", Facts{Annotations: map[string]string{"config.linkerd.io/proxy-version": "edge"}}, false},
		{"a proxy's container", Facts{Containers: []string{"app", ProxyContainer}}, true},
		{"a native sidecar", Facts{Containers: []string{"app"}, InitContainers: []string{"linkerd-network-validator", ProxyContainer}}, true},
		{"its init container writes the rules", Facts{Annotations: proxied, Containers: []string{"app", ProxyContainer}, InitContainers: []string{InitContainer}}, false},
		{"an init container's name among the others", Facts{Containers: []string{InitContainer, ProxyContainer}}, true},
		{"an annotation that was copied, and no proxy", Facts{Annotations: proxied, Containers: []string{"app"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.facts.Meshed(); got != tt.want {
				t.Errorf("meshed: %t", got)
			}
		})
	}
}

func TestWhetherAPodIsTheControlPlanes(t *testing.T) {
	t.Parallel()
	component := map[string]string{ControlPlaneComponent: "destination"}
	for _, tt := range []struct {
		name, namespace string
		labels          map[string]string
		want            bool
	}{
		{"in its namespace", "linkerd", nil, true},
		{"in another", "shop", nil, false},
		{"labelled, in another namespace", "mesh", component, true},
		{"not labelled, in its namespace", "linkerd", map[string]string{"app": "x"}, false},
		{"without any labels, in its namespace", "linkerd", map[string]string{}, false},
	} {
		if got := (Facts{Labels: tt.labels}).ControlPlane(tt.namespace, []string{"linkerd"}); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// As Linkerd's chart, its command line and its injector annotate pods.
func TestAnnotationsOfTheControlPlanesTemplates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		annotations map[string]string
		want        bool
	}{
		{"installed by helm", map[string]string{createdBy: "linkerd/helm edge-26.8.1", safeToEvict: "true"}, true},
		{"installed by linkerd install", map[string]string{createdBy: "linkerd/cli edge-26.8.1", safeToEvict: "true"}, true},
		{"injected by hand", map[string]string{createdBy: "linkerd/cli edge-26.8.1", ProxyVersion: "edge-26.8.1"}, false},
		{"injected", map[string]string{createdBy: "linkerd/proxy-injector edge-26.8.1", safeToEvict: "true"}, false},
		{"neither", map[string]string{safeToEvict: "true"}, false},
	} {
		if got := (Facts{Annotations: tt.annotations}).LooksLikeControlPlane(); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestNamesOfPods(t *testing.T) {
	t.Parallel()
	if got := (ID{Namespace: "shop", Name: "web-0", UID: "1-2"}).String(); got != "shop/web-0" {
		t.Errorf("got %s", got)
	}
	if got := (ID{}).String(); got != "none" {
		t.Errorf("got %s", got)
	}
}

// Whatever a pod and its namespace say, what is left of it decides the same.
func TestRelevantFactsDecideAsAllOfThem(t *testing.T) {
	t.Parallel()
	all := Facts{UID: "1", Annotations: map[string]string{}, Namespace: map[string]string{}, Labels: map[string]string{}, Containers: []string{"app"}}
	for _, s := range config.Settings() {
		switch {
		case s.Annotation == "":
		case s.Kind == config.KindSubnets:
			all.Annotations[s.Annotation], all.Namespace[s.Annotation] = "10.0.0.7", "10.0.0.8"
		default:
			all.Annotations[s.Annotation], all.Namespace[s.Annotation] = "7", "8"
		}
	}
	for _, k := range Keys() {
		all.Annotations[k.Name] = "linkerd/helm x"
		all.Labels[k.Name] = "x"
	}
	all.Annotations[safeToEvict] = "true"
	all.Annotations["kubectl.kubernetes.io/last-applied-configuration"] = "long"
	all.Labels["app"] = "web"
	merged := func(f Facts) config.Config {
		delete(f.Annotations, "config.linkerd.io/skip-inbound-ports") // the namespace's counts
		c, err := config.MergeAnnotations(config.CNIAbsent(), f.Annotations, f.Namespace, config.ModeCNI)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	left := all.Relevant()
	if len(left.Annotations) >= len(all.Annotations) || len(left.Labels) != 1 {
		t.Errorf("left: %+v", left)
	}
	if a, b := merged(all), merged(left); !reflect.DeepEqual(a, b) {
		t.Errorf("the rules of all facts\n%+v\nof what is left\n%+v", a, b)
	}
	for what, decides := range map[string]func(Facts) bool{
		"meshed":        func(f Facts) bool { f.Containers = nil; return f.Meshed() },
		"control plane": func(f Facts) bool { return f.ControlPlane("x", nil) },
		"looks like it": Facts.LooksLikeControlPlane,
	} {
		if !decides(all) || !decides(left) {
			t.Errorf("%s: all %t, left %t", what, decides(all), decides(left))
		}
	}
	if none := (Facts{}).Relevant(); none.Labels != nil || none.Namespace != nil || none.Annotations != nil {
		t.Errorf("what is not known became known: %+v", none)
	}
	if some := (Facts{Labels: map[string]string{"app": "x"}}).Relevant(); some.Labels == nil {
		t.Error("known labels became unknown")
	}
}

// A reader has to tell a pod without labels from one whose labels are not known.
func TestFactsKeepInJSONWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, f := range []Facts{
		{},
		{UID: "1", Labels: map[string]string{}, Namespace: map[string]string{}, Containers: []string{}},
		{Annotations: map[string]string{"a": "b"}, Labels: map[string]string{"c": "d"}, Containers: []string{"e"}, InitContainers: []string{"f"}},
	} {
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		var back Facts
		if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(f, back) {
			t.Errorf("%+v became %s, and that %+v (%v)", f, data, back, err)
		}
	}
}
