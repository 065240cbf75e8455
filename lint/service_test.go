package lint

import "testing"

// Clients go by a Service's port and annotations, the server's proxy by the
// container's port and the pod's annotations.
func TestServicesAndTheirPods(t *testing.T) {
	t.Parallel()
	const c = "config.linkerd.io/"
	service := func(metadata, ports string) string {
		return "---\nkind: Service\nmetadata: {name: s, namespace: shop" + metadata + "}\nspec: {selector: {app: web}, ports: [" + ports + "]}\n"
	}
	for _, tt := range []struct{ name, annotations, service, want string }{
		{"the container's port is skipped", c + `skip-inbound-ports: "8080"`, service("", "{port: 80, targetPort: http}"), ""},
		{"the Service's port is skipped", c + `skip-inbound-ports: "80"`, service("", "{port: 80, targetPort: http}"), skipUnexposedPort + " " + servicePort},
		{"both are skipped", c + `skip-inbound-ports: "80,8080"`, service("", "{port: 80, targetPort: 8080}"), skipUnexposedPort},
		{"opaque on both", c + `opaque-ports: "8080"`, service(", annotations: {"+c+"opaque-ports: '80'}", "{port: 80, targetPort: http}"), ""},
		{"opaque on the pods only", c + `opaque-ports: "8080"`, service("", "{port: 80, targetPort: http}"), opaqueOnOneSide},
		{"opaque on the Service only", "", service(", annotations: {"+c+"opaque-ports: '80'}", "{port: 80, targetPort: http}"), opaqueOnOneSide},
		{"opaque by default on the Service only", "", service("", "{port: 3306, targetPort: db}"), opaqueOnOneSide},
		{"opaque, and skipped", c + "opaque-ports: \"8080\"\n" + c + `skip-inbound-ports: "8080"`, service("", "{port: 80, targetPort: http}"), opaqueAndSkipped},
		{"UDP", c + `opaque-ports: "8080"`, service("", "{port: 80, targetPort: http, protocol: UDP}"), ""},
		{"a Service of other pods", c + `opaque-ports: "8080"`, "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {selector: {app: api}, ports: [{port: 8080}]}\n", ""},
		{"a Service in another namespace", c + `opaque-ports: "8080"`, "---\nkind: Service\nmetadata: {name: s, namespace: other}\nspec: {selector: {app: web}, ports: [{port: 8080}]}\n", ""},
		{"a server outside the cluster", "", "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {externalName: db.example, ports: [{port: 5432}]}\n", externalServer},
		{"a server whose addresses are listed", "", "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {ports: [{name: mysql, port: 4406}]}\n---\nkind: EndpointSlice\nmetadata: {name: s-1, namespace: shop, labels: {kubernetes.io/service-name: s}}\n", externalServer},
		{"a Service without pods, whose addresses an operator lists", "", "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {ports: [{port: 5432}]}\n", ""},
		{"opaque on the pods only, and headless", c + `opaque-ports: "8080"`, "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n", ""},
		{"opaque on the pods, and declared on the Service", c + `opaque-ports: "8080"`, service("", "{port: 80, targetPort: http, appProtocol: linkerd.io/opaque}"), ""},
		{"opaque on the pods, and declared as HTTP", c + `opaque-ports: "8080"`, service("", "{port: 80, targetPort: http, appProtocol: http}"), opaqueOnOneSide},
		{"declared on the Service only", "", service("", "{port: 4406, targetPort: db, appProtocol: linkerd.io/opaque}"), opaqueOnOneSide},
		{"opaque on the Service only, of a protocol that is known", "", service(", annotations: {"+c+"opaque-ports: '80'}", "{port: 80, targetPort: 3306}") + "---\nkind: Pod\nmetadata: {name: m, namespace: shop, labels: {app: web}, annotations: {linkerd.io/inject: enabled, " + c + "opaque-ports: ''}}\nspec: {containers: [{name: m, ports: [{containerPort: 3306}]}]}\n", serverSpeaksFirst},
		{"declared on the Service only, for others", "", service("", "{port: 4406, targetPort: db, appProtocol: tcp}"), ""},
		{"declared on the Service, and by a Server", "", service("", "{port: 4406, targetPort: db, appProtocol: linkerd.io/opaque}") + "---\napiVersion: policy.linkerd.io/v1beta3\nkind: Server\nmetadata: {name: s, namespace: shop}\nspec: {podSelector: {}, port: db, proxyProtocol: opaque}\n", ""},
		{"opaque by the name of the Service's port", c + `opaque-ports: "8080"`, service(", annotations: {"+c+"opaque-ports: web}", "{name: web, port: 80, targetPort: http}"), ""},
		{"the Service's port is skipped outbound", c + `skip-outbound-ports: "13306"`, service("", "{port: 13306, targetPort: 13307}"), ""},
		{"the container's port is skipped outbound", c + `skip-outbound-ports: "13307"`, service("", "{port: 13306, targetPort: 13307}"), servicePort},
		{"both are skipped outbound", c + `skip-outbound-ports: "13306,13307"`, service("", "{port: 13306, targetPort: 13307}"), ""},
		{"the container's port, which is a Service's as well", c + `skip-outbound-ports: "13307"`, service("", "{port: 13306, targetPort: 13307}, {port: 13307}"), ""},
		{"a web server outside the cluster", "", "---\nkind: Service\nmetadata: {name: s, namespace: shop}\nspec: {externalName: web.example, ports: [{port: 443}]}\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", deployment(tt.annotations, "")+tt.service)); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// An external database is known by the variable that names it.
func TestServersOutsideTheCluster(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value, annotations string
		want               Severity
	}{
		{"mysql.example.com:3306", "", Note}, // enough if its address is private
		{"mysql://user:pw@db.example.com:4406/shop?x=y", "", Warning},
		{"mysql.example.com:3306", ", config.linkerd.io/skip-outbound-ports: '3306'", ""},
		{"mysql.example.com:3306", ", config.linkerd.io/enable-external-profiles: 'true'", ""},
		{"203.0.113.7:4222", "", Warning},
		{"10.1.2.3:4222", "", ""},
		{"db.prod.internal:4222", "", ""},
		{"mysql.shop.svc:3306", "", ""},
		{"mysql.shop.svc.cluster.local:3306", "", ""},
		{"mysql:3306", "", ""},
		{"https://web.example.com:4406/", "", ""},
		{"see mysql.example.com:3306", "", ""},
		{"$(HOST).example.com:3306", "", ""},
		{"web.example.com:443", "", ""},
		{"smtp.example.com:587", "", Note},
	} {
		found := check(t, "2.20", "kind: Pod\nmetadata: {name: p, annotations: {linkerd.io/inject: enabled"+tt.annotations+"}}\nspec: {containers: [{name: c, env: [{name: DB, value: '"+tt.value+"'}]}]}\n")
		if tt.want == "" && len(found) == 0 {
			continue
		}
		if ids(found) != externalServer || found[0].Severity != tt.want {
			t.Errorf("%s%s: %q, want %s", tt.value, tt.annotations, ids(found), tt.want)
		}
	}
}
