package lint

import (
	"strings"
	"testing"
)

func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	policy := func(ingress string) string {
		return "---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  ingress:\n" + ingress
	}
	const from = "  - from: [{podSelector: {matchLabels: {app: client}}}]\n    "
	db := deployment(`config.linkerd.io/opaque-ports: "9306"`, "")
	for _, tt := range []struct{ name, text, want string }{
		{"an opaque port, and not the proxy's", db + policy(from+"ports: [{port: 9306}]\n"), policyWithoutProxy},
		{"by its name", db + policy(from+"ports: [{port: db}]\n"), policyWithoutProxy},
		{"in a range", db + policy(from+"ports: [{port: 9000, endPort: 9999}]\n"), policyWithoutProxy},
		{"both ports", db + policy(from+"ports: [{port: 9306}, {port: 4143}]\n"), ""},
		{"a range with both", db + policy(from+"ports: [{port: 1000, endPort: 9999}]\n"), ""},
		{"every port", db + policy(from+"ports: []\n"), ""},
		{"a port that is not opaque", db + policy(from+"ports: [{port: 8080}]\n"), ""},
		{"UDP", db + policy(from+"ports: [{port: 9306, protocol: UDP}]\n"), ""},
		{"nothing", db + policy("    []\n"), ""},
		{"the proxy's port by another rule for the same peers", db + policy(from+"ports: [{port: 9306}]\n"+from+"ports: [{port: 4143}]\n"), ""},
		{"the proxy's port by another rule for everybody", db + policy(from+"ports: [{port: 9306}]\n  - ports: [{port: 4143}]\n"), ""},
		{"the proxy's port by another policy", db + policy(from+"ports: [{port: 9306}]\n") + policy(from+"ports: [{port: 4143}]\n"), ""},
		{"the proxy's port for others", db + policy(from+"ports: [{port: 9306}]\n"+strings.Replace(from, "client", "other", 1)+"ports: [{port: 4143}]\n"), policyWithoutProxy},
		{"the proxy's UDP port", db + policy(from+"ports: [{port: 9306}, {port: 4143, protocol: UDP}]\n"), policyWithoutProxy},
		{"another inbound port", deployment("config.linkerd.io/opaque-ports: \"9306\"\nconfig.linkerd.io/inbound-port: \"5143\"", "") + policy(from+"ports: [{port: 9306}, {port: 4143}]\n"), policyWithoutProxy},
		{"other pods", strings.Replace(db, "app: web", "app: other", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"another namespace", strings.Replace(db, "namespace: shop", "namespace: other", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"pods without a proxy", strings.Replace(db, "inject: enabled", "inject: disabled", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"about what goes out", db + strings.Replace(policy(from+"ports: [{port: 9306}]\n"), "spec:\n", "spec:\n  policyTypes: [Egress]\n", 1), ""},
		{"opaque by default, and exposed", strings.Replace(deployment("", ""), "9306", "3306", 1) + policy(from+"ports: [{port: 3306}]\n"), policyWithoutProxy},
		{"opaque by default, and not exposed", deployment("", "") + policy(from+"ports: [{port: 3306}]\n"), ""},
		{"opaque by default, and nothing is said of ports", strings.Replace(deployment("", ""), "ports: [", "unread: [", 1) + policy(from+"ports: [{port: 3306}]\n"), policyWithoutProxy},
		{"skipped inbound, too", deployment("config.linkerd.io/opaque-ports: \"9306\"\nconfig.linkerd.io/skip-inbound-ports: \"9306\"", "") + policy(from+"ports: [{port: 9306}]\n"), opaqueAndSkipped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestJobsComplete(t *testing.T) {
	t.Parallel()
	job := func(annotations, spec string) string {
		return "kind: Job\nmetadata: {name: j}\nspec: {template: {metadata: {annotations: {linkerd.io/inject: enabled, " + annotations + "}}, spec: {" + spec + "}}}\n"
	}
	const native = "linkerd.io/proxy-enable-native-sidecar: "
	for _, tt := range []struct{ name, version, text, want string }{
		{"native by default", "2.20", job("", ""), ""},
		{"not native by default", "2.19", job("", ""), jobNeverCompletes},
		{"a CronJob", "2.14", "kind: CronJob\nspec: {jobTemplate: {spec: {template: {metadata: {annotations: {linkerd.io/inject: enabled}}}}}}\n", jobNeverCompletes},
		{"a Deployment", "2.14", deployment("", ""), ""},
		{"switched on", "2.18", job("config."+native+"'true'", ""), ""},
		{"switched on in beta", "2.18", job("config.beta."+native+"'true'", ""), ""},
		{"switched on in alpha", "2.15", job("config.alpha."+native+"'true'", ""), ""},
		{"switched off", "2.20", job("config."+native+"'false'", ""), jobNeverCompletes},
		{"switched off in beta", "2.20", job("config.beta."+native+"'false'", ""), jobNeverCompletes},
		{"switched off in alpha", "2.20", job("config.alpha."+native+"'false'", ""), jobNeverCompletes},
		{"the stable name goes first", "2.20", job("config."+native+"'true', config.alpha."+native+"'false'", ""), ""},
		{"switched off by the namespace", "2.20", "kind: Namespace\nmetadata: {name: default, annotations: {config." + native + "'false'}}\n---\n" + job("", ""), jobNeverCompletes},
		{"not injected", "2.19", strings.Replace(job("", ""), "enabled", "disabled", 1), ""},
		{"the job ends the proxy itself", "2.19", job("config.linkerd.io/proxy-admin-shutdown: enabled", ""), ""},
		{"injected by hand", "2.20", job("", "containers: [{name: linkerd-proxy}]"), jobNeverCompletes},
		{"injected by hand, native", "2.19", job("", "initContainers: [{name: linkerd-proxy, restartPolicy: Always}]"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, tt.version, tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
