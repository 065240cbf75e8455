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
		{"a port that is not opaque", db + policy(from+"ports: [{port: 8080}]\n"), policyWithoutProxy},
		{"the admin port", db + policy(from+"ports: [{port: 4191}]\n"), ""},
		{"addresses", db + policy("  - from: [{ipBlock: {cidr: 10.0.0.0/8}}]\n    ports: [{port: 8080}]\n"), ""},
		{"UDP", db + policy(from+"ports: [{port: 9306, protocol: UDP}]\n"), ""},
		{"nothing", db + policy("    []\n"), ""},
		{"the proxy's port by another rule for the same peers", db + policy(from+"ports: [{port: 9306}]\n"+from+"ports: [{port: 4143}]\n"), ""},
		{"the proxy's port by another rule for everybody", db + policy(from+"ports: [{port: 9306}]\n  - ports: [{port: 4143}]\n"), ""},
		{"the proxy's port by another policy", db + policy(from+"ports: [{port: 9306}]\n") + policy(from+"ports: [{port: 4143}]\n"), ""},
		{"the proxy's port for others", db + policy(from+"ports: [{port: 9306}]\n"+strings.Replace(from, "client", "other", 1)+"ports: [{port: 4143}]\n"), policyWithoutProxy},
		{"the proxy's port by its name", db + policy(from+"ports: [{port: 9306}, {port: linkerd-proxy}]\n"), ""},
		{"the proxy's port for all of the namespace", db + policy(from+"ports: [{port: 9306}]\n  - {from: [{podSelector: {}}], ports: [{port: 4143}]}\n"), ""},
		{"the proxy's port for all namespaces", db + policy(from+"ports: [{port: 9306}]\n  - {from: [{namespaceSelector: {}}], ports: [{port: 4143}]}\n"), ""},
		{"the proxy's port for a namespace's, where more may connect", db + policy("  - ports: [{port: 9306}]\n  - {from: [{podSelector: {}}], ports: [{port: 4143}]}\n"), policyWithoutProxy},
		{"the proxy's UDP port", db + policy(from+"ports: [{port: 9306}, {port: 4143, protocol: UDP}]\n"), policyWithoutProxy},
		{"another inbound port", deployment("config.linkerd.io/opaque-ports: \"9306\"\nconfig.linkerd.io/inbound-port: \"5143\"", "") + policy(from+"ports: [{port: 9306}, {port: 4143}]\n"), policyWithoutProxy},
		{"other pods", strings.Replace(db, "app: web", "app: other", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"another namespace", strings.Replace(db, "namespace: shop", "namespace: other", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"pods without a proxy", strings.Replace(db, "inject: enabled", "inject: disabled", 1) + policy(from+"ports: [{port: 9306}]\n"), ""},
		{"about what goes out", db + strings.Replace(policy(from+"ports: [{port: 9306}]\n"), "spec:\n", "spec:\n  policyTypes: [Egress]\n", 1), egressControlPlane},
		{"opaque by default, and exposed", strings.Replace(deployment("", ""), "9306", "3306", 1) + policy(from+"ports: [{port: 3306}]\n"), policyWithoutProxy},
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

// Before Linkerd 2.18, meshed clients use the proxy's inbound port for opaque
// ports only.
func TestNetworkPoliciesBeforeEveryPortWentThroughTheProxy(t *testing.T) {
	t.Parallel()
	policy := func(port string) string {
		return "---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: " + port + "}]}]}\n"
	}
	const server = "---\napiVersion: policy.linkerd.io/v1beta3\nkind: Server\nmetadata: {name: s, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, port: http, proxyProtocol: "
	for _, tt := range []struct{ name, text, want string }{
		{"an opaque port", deployment(`config.linkerd.io/opaque-ports: "9306"`, "") + policy("9306"), policyWithoutProxy},
		{"another port", deployment("", "") + policy("8080"), ""},
		{"opaque by default, and not exposed", deployment("", "") + policy("3306"), ""},
		{"opaque by a Server", deployment("", "") + policy("8080") + server + "opaque}\n", policyWithoutProxy},
		{"a Server that says HTTP", deployment(`config.linkerd.io/opaque-ports: "8080"`, "") + policy("8080") + server + "HTTP/1}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.17", tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// How bad it is depends on who the clients are: what is in the files with a
// proxy is known to fail, and what is in them without one to work.
func TestClientsOfAPolicy(t *testing.T) {
	t.Parallel()
	policy := func(from string) string {
		return "---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, ingress: [{" + from + "ports: [{port: 8080}]}]}\n"
	}
	client := func(inject string) string {
		return "---\nkind: Pod\nmetadata: {name: c, namespace: shop, labels: {app: client}, annotations: {linkerd.io/inject: " + inject + "}}\n"
	}
	const from = "from: [{podSelector: {matchLabels: {app: client}}}], "
	for _, tt := range []struct {
		name, text string
		want       Severity
	}{
		{"a meshed client", policy(from) + client("enabled"), Error},
		{"a client without a proxy", policy(from) + client("disabled"), ""},
		{"a meshed client that another rule lets in to the proxy", policy(from) + strings.Replace(policy("from: [{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}], "), "8080", "4143", 1) + client("enabled"), ""},
		{"a client that is not in the files", policy(from), Warning},
		{"everybody, and a meshed client", policy("") + client("enabled"), Warning},
		{"all of a namespace, and a meshed client", policy("from: [{podSelector: {}}], ") + client("enabled"), Warning},
		{"everybody", policy(""), Warning},
		{"a namespace that is not in the files", policy("from: [{namespaceSelector: {matchLabels: {team: a}}}], ") + client("enabled"), Warning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := check(t, "2.20", deployment("", "")+tt.text)
			if tt.want == "" && len(got) == 0 {
				return
			}
			if ids(got) != policyWithoutProxy || got[0].Severity != tt.want {
				t.Errorf("found %q, %s; want %s", ids(got), got[0].Severity, tt.want)
			}
		})
	}
}

func TestPoliciesAboutWhatGoesOut(t *testing.T) {
	t.Parallel()
	const (
		control = "{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: linkerd}}}], ports: [{port: 8080}, {port: 8086}, {port: 8090}]}"
		db      = "---\nkind: Pod\nmetadata: {name: db, namespace: shop, labels: {app: db}, annotations: {linkerd.io/inject: enabled}}\nspec: {containers: [{name: db, ports: [{containerPort: 3306}]}]}\n"
		toDB    = "to: [{podSelector: {matchLabels: {app: db}}}], "
	)
	policy := func(egress string) string {
		return deployment("", "") + "---\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [" + egress + "]}\n"
	}
	for _, tt := range []struct{ name, text, want string }{
		{"everything", policy("{}"), ""},
		{"nothing", policy(""), egressControlPlane},
		{"the control plane", policy(control), ""},
		{"one of its ports", policy(strings.Replace(control, "{port: 8080}, ", "", 1)), egressControlPlane},
		{"its ports, in this namespace", policy("{to: [{podSelector: {}}], ports: [{port: 8080}, {port: 8086}, {port: 8090}]}"), egressControlPlane + " " + policyWithoutProxy}, // web's own 8080
		{"its ports, by a range of another policy", policy(control) + "---\nkind: NetworkPolicy\nmetadata: {name: q, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Egress]}\n", ""},
		{"a meshed server's port", policy(control+", {"+toDB+"ports: [{port: 3306}]}") + db, policyWithoutProxy},
		{"a meshed server's port and its proxy's", policy(control+", {"+toDB+"ports: [{port: 3306}, {port: 4143}]}") + db, ""},
		{"a meshed server, by the proxy's port to all", policy(control+", {"+toDB+"ports: [{port: 3306}]}, {ports: [{port: 4143}]}") + db, ""},
		{"every port of a meshed server", policy(control+", {"+toDB+"}") + db, ""},
		{"a port that the server does not have", policy(control+", {"+toDB+"ports: [{port: 5432}]}") + db, ""},
		{"a server without a proxy", policy(control+", {"+toDB+"ports: [{port: 3306}]}") + strings.Replace(db, "enabled", "disabled", 1), ""},
		{"a server that is skipped", policy(control+", {"+toDB+"ports: [{port: 3306}]}") + strings.Replace(db, "enabled", "enabled, config.linkerd.io/skip-inbound-ports: '3306'", 1), ""},
		{"the control plane itself", "kind: NetworkPolicy\nmetadata: {name: p, namespace: linkerd}\nspec: {podSelector: {}, egress: [{to: [{podSelector: {}}]}]}\n---\nkind: Pod\nmetadata: {name: i, namespace: linkerd, labels: {linkerd.io/control-plane-component: identity}}\nspec: {containers: [{name: linkerd-proxy}]}\n", ""},
		{"a client without a proxy", strings.Replace(policy(""), "enabled", "disabled", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", tt.text)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
