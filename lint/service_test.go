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
