package lint

import (
	"strings"
	"testing"

	"shunt/manifest"
)

// What the pods' own annotation asks for is an error if they do not get it; of
// those that a namespace asks for, some cannot have a proxy.
func TestWhoAsksForAProxyAndGetsNone(t *testing.T) {
	t.Parallel()
	const (
		namespace = "kind: Namespace\nmetadata: {name: shop, annotations: {linkerd.io/inject: enabled}}\n---\n"
		asks      = ", annotations: {linkerd.io/inject: enabled}"
	)
	pod := func(metadata, spec string) string {
		return "kind: Pod\nmetadata: {name: p, namespace: shop" + metadata + "}\nspec: {" + spec + "}\n"
	}
	for _, tt := range []struct {
		name, release, text, want string
		severity                  Severity
	}{
		{"the host's network", "2.20", pod(asks, "hostNetwork: true"), hostNetwork, Error},
		{"the host's network, in a meshed namespace", "2.20", namespace + pod("", "hostNetwork: true"), hostNetwork, Warning},
		{"another mesh's sidecar", "2.20", pod(asks, "containers: [{name: istio-proxy}]"), notInjected, Error},
		{"another mesh's sidecar, in a meshed namespace", "2.20", namespace + pod("", "containers: [{name: istio-proxy}]"), notInjected, Warning},
		{"kube-system", "2.20", strings.Replace(pod(asks, ""), "shop", "kube-system", 1), notInjected, Error},
		{"a Namespace that leaves the webhook out", "2.20", strings.Replace(namespace, "shop,", "shop, labels: {config.linkerd.io/admission-webhooks: disabled},", 1) + pod("", ""), notInjected, Warning},
		{"no token, where Linkerd mounts one", "2.20", pod(asks, "automountServiceAccountToken: false"), notInjected, Note},
		{"no token, in a meshed namespace", "2.20", namespace + pod("", "automountServiceAccountToken: false"), "", ""},
		{"no token, before it did", "2.11", pod(asks, "automountServiceAccountToken: false"), notInjected, Error},
		{"a value that nobody knows", "2.20", pod(", annotations: {linkerd.io/inject: 'true'}", ""), invalidValue, Error},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := check(t, tt.release, tt.text)
			if ids(got) != tt.want || len(got) > 0 && got[0].Severity != tt.severity {
				t.Errorf("found %q, want %q, %s", ids(got), tt.want, tt.severity)
			}
		})
	}
}

// k3s installs Traefik by a HelmChartConfig, in a namespace that Linkerd's
// webhook leaves out.
func TestAnnotationsInAChartsValues(t *testing.T) {
	t.Parallel()
	chart := func(namespace, values string) string {
		return "apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: {name: traefik, namespace: kube-system}\nspec:\n  targetNamespace: " + namespace + "\n  valuesContent: |\n" + values
	}
	for _, tt := range []struct{ name, text, want string }{
		{"in kube-system", chart("kube-system", "    deployment: {podAnnotations: {linkerd.io/inject: ingress, config.linkerd.io/skip-outbound-ports: '443'}}\n"), notInjected},
		{"elsewhere", chart("traefik", "    deployment: {podAnnotations: {linkerd.io/inject: ingress, config.linkerd.io/skip-outbound-ports: '443'}}\n"), ""},
		{"without the API's port", chart("traefik", "    deployment: {podAnnotations: {linkerd.io/inject: ingress}}\n"), ingressAPIServer},
		{"on the Deployment", chart("traefik", "    deployment: {annotations: {linkerd.io/inject: ingress}}\n"), notInjected},
		{"settings on the Deployment", chart("traefik", "    deployment: {annotations: {config.linkerd.io/proxy-await: enabled}}\n"), misplacedAnnotation},
		{"misspelt on the Service", chart("traefik", "    service: {annotations: {config.linkerd.io/opaque-port: '9000'}}\n"), misspeltAnnotation},
		{"on something that the chart knows", chart("traefik", "    x: {annotations: {linkerd.io/inject: enabled}}\n"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// The proxy connects to the pod's address, which was 127.0.0.1 before 2.11, and
// refuses the addresses of other networks.
func TestServersThatListenOnOneAddress(t *testing.T) {
	t.Parallel()
	pod := func(container string) string {
		return "kind: Pod\nmetadata: {name: p, annotations: {linkerd.io/inject: enabled}}\nspec: {containers: [{name: c, " + container + "}]}\n"
	}
	const podIP = "env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}], "
	for _, tt := range []struct{ name, release, text, want string }{
		{"loopback, exposed", "2.20", pod("args: ['--web.listen-address=127.0.0.1:9100'], ports: [{containerPort: 9100}]"), oneAddress},
		{"loopback by name, as two arguments", "2.20", pod("command: [x, --bind-addr, 'localhost:9100'], ports: [{containerPort: 9100}]"), oneAddress},
		{"IPv6 loopback", "2.20", pod("args: ['--listen=[::1]:9100'], ports: [{containerPort: 9100}]"), oneAddress},
		{"loopback without a port, of the only port", "2.20", pod("args: ['--bind-address=127.0.0.1'], ports: [{containerPort: 3000}]"), oneAddress},
		{"loopback, before the pod's address", "2.10", pod("args: ['--listen=127.0.0.1:9100'], ports: [{containerPort: 9100}]"), ""},
		{"loopback, not exposed", "2.20", pod("args: ['--listen=127.0.0.1:9101'], ports: [{containerPort: 9100}]"), ""},
		{"loopback of another", "2.20", pod("args: ['--upstream=http://127.0.0.1:9100/'], ports: [{containerPort: 9100}]"), ""},
		{"every address", "2.20", pod("args: ['--listen=0.0.0.0:9100', '--listen-address=:9101'], ports: [{containerPort: 9100}, {containerPort: 9101}]"), ""},
		{"the pod's address", "2.20", pod(podIP + "args: ['--secure-listen-address=[$(IP)]:9100'], ports: [{containerPort: 9100}]"), ""},
		{"the pod's address, before 2.11", "2.10", pod(podIP + "args: ['--secure-listen-address=[$(IP)]:9100'], ports: [{containerPort: 9100}]"), oneAddress},
		{"Longhorn's manager, before 2.11", "2.10", pod("image: 'longhornio/longhorn-manager:v1.5.1', " + strings.Replace(podIP, "IP,", "POD_IP,", 1) + "ports: [{containerPort: 9500}]"), oneAddress},
		{"a second network", "2.20", strings.Replace(pod(""), "enabled", "enabled, k8s.v1.cni.cncf.io/networks: storage", 1), secondNetwork},
		{"a second network whose clients are skipped", "2.20", strings.Replace(pod(""), "enabled", "enabled, config.linkerd.io/skip-subnets: 10.9.0.0/16, k8s.v1.cni.cncf.io/networks: storage", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, tt.release, tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// Stock Linkerd does not read linkerd.io/skip-ports; what its clients do
// depends on the release.
func TestWhatSkipPortsDoesDependsOnTheRelease(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"2.17": "still speak TLS", "2.18": "through the proxy"} {
		s := &manifest.Set{}
		if err := s.Read("f", strings.NewReader(deployment("linkerd.io/skip-ports: '8080'", ""))); err != nil {
			t.Fatal(err)
		}
		found, _ := Check(s, release(t, version))
		if ids(found) != skipPortsOfShunt || !strings.Contains(found[0].Message, want) {
			t.Errorf("%s: %+v", version, found)
		}
	}
}
