package pods

import "testing"

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
