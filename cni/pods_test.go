package cni

import (
	"strings"
	"testing"

	"shunt/config"
	"shunt/netns/netnstest"
	"shunt/pods"
)

// A control plane that was installed in a namespace of another name looked like
// any other pod, and its connections to the API server were redirected in
// silence.
func TestTheControlPlaneInAnotherNamespace(t *testing.T) {
	t.Parallel()
	controlPlane := []string{"linkerd.io/created-by", "linkerd/helm edge-26.8.1", "cluster-autoscaler.kubernetes.io/safe-to-evict", "true"}

	t.Run("is known by its label", func(t *testing.T) {
		t.Parallel()
		c, err := parseConf([]byte(conf()))
		if err != nil {
			t.Fatal(err)
		}
		labelled := pods.Facts{Labels: map[string]string{"linkerd.io/control-plane-component": "destination"}}
		cfg, err := c.forControlPlane(config.CNIAbsent(), labelled, "mesh")
		if err != nil || cfg.SkipOutboundPorts.String() != "443,6443" {
			t.Errorf("it skips outbound %s, %v", cfg.SkipOutboundPorts, err)
		}
		other := pods.Facts{Labels: map[string]string{"app": "web"}}
		if cfg, err = c.forControlPlane(config.CNIAbsent(), other, "linkerd"); err != nil || len(cfg.SkipOutboundPorts) > 0 {
			t.Errorf("another pod in the control plane's namespace skips outbound %s, %v", cfg.SkipOutboundPorts, err)
		}
	})
	for _, tt := range []struct {
		name, members, warning string
	}{
		{"is warned of where only its annotations are known", injected(controlPlane...), "namespace mesh is not in control-plane-namespaces (linkerd)"},
		{"is not warned of where its namespace is listed", `"control-plane-namespaces":["mesh"],` + injected(controlPlane...), ""},
		{"is not mistaken for a pod that was injected by hand", injected("linkerd.io/created-by", "linkerd/cli edge-26.8.1"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeRules{}
			o := invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path).with("CNI_ARGS", "K8S_POD_NAMESPACE=mesh;K8S_POD_NAME=linkerd-destination-0"), conf(chart, tt.members))
			o.ok(t)
			if warned := strings.Contains(o.stderr, "level=WARN"); warned != (tt.warning != "") || !strings.Contains(o.stderr, tt.warning) {
				t.Errorf("the log is\n%s\nwant %q", o.stderr, tt.warning)
			}
		})
	}
}

// A pod that replaces another keeps its name, and not its uid.
func TestTheLogNamesThePodsUID(t *testing.T) {
	t.Parallel()
	o := invoke(t, (&fakeRules{}).plugin(), podEnv("ADD", "/x"), conf(annotations()))
	o.ok(t)
	if !strings.Contains(o.stderr, "pod=emojivoto/web-5f") || !strings.Contains(o.stderr, "uid=1-2") {
		t.Errorf("the log is\n%s", o.stderr)
	}
}
