package pods

// Format is the form of an annotation's value.
type Format int

// The forms.
const (
	Anything    Format = iota
	OneOf              // one of Key.Choices
	Bool               // as Go's strconv.ParseBool
	Duration           // as Go's time.ParseDuration
	Seconds            // a whole number
	Ratio              // between 0 and 1, both excluded
	Quantity           // of a resource: "100m", "64Mi"
	Environment        // a JSON list of environment variables
	Ports              // a list of ports and ranges
	OpaquePorts        // the same, in which names of container ports can stand
	Written            // people have no business setting it: Linkerd does
)

// Key is an annotation of Linkerd's, or of one of its extensions.
type Key struct {
	Name    string
	Format  Format
	Choices []string
}

// The keys that shunt itself looks at; ProxyVersion and ControlPlaneComponent
// are others.
const (
	Inject      = "linkerd.io/inject"
	Opaque      = "config.linkerd.io/opaque-ports"
	Shutdown    = "config.linkerd.io/proxy-admin-shutdown"
	NativeAlpha = "config.alpha.linkerd.io/proxy-enable-native-sidecar"
	NativeBeta  = "config.beta.linkerd.io/proxy-enable-native-sidecar"
	Native      = "config.linkerd.io/proxy-enable-native-sidecar"
)

// Keys returns the annotations that Linkerd (linkerd2, pkg/k8s/labels.go in
// August 2026; the forms are those that pkg/inject/inject.go takes) and its
// extensions viz and jaeger read or write, without those that are settings of
// package config. It builds the table anew.
func Keys() []Key {
	const (
		c     = "config.linkerd.io/"
		l     = "linkerd.io/"
		alpha = "config.alpha.linkerd.io/"
		viz   = "viz.linkerd.io/"
	)
	toggle := []string{"enabled", "disabled"}
	pull := []string{"Always", "IfNotPresent", "Never"}
	return []Key{
		{c + "access-log", OneOf, []string{"apache", "json", "none", ""}},
		{c + "close-wait-timeout", Duration, nil},
		{c + "debug-image", Anything, nil},
		{c + "debug-image-pull-policy", OneOf, pull},
		{c + "debug-image-version", Anything, nil},
		{c + "default-inbound-policy", OneOf, []string{"all-unauthenticated", "all-authenticated", "cluster-unauthenticated", "cluster-authenticated", "deny", "audit"}},
		{c + "enable-debug-sidecar", Bool, nil},
		{c + "enable-external-profiles", Bool, nil},
		{c + "enable-gateway", Bool, nil},
		{c + "image-pull-policy", OneOf, pull},
		{Opaque, OpaquePorts, nil},
		{c + "pod-inbound-ports", Ports, nil},
		{c + "proxy-additional-env", Environment, nil},
		{Shutdown, OneOf, toggle},
		{c + "proxy-await", OneOf, toggle},
		{c + "proxy-cpu-limit", Quantity, nil},
		{c + "proxy-cpu-ratio-limit", Ratio, nil},
		{c + "proxy-cpu-request", Quantity, nil},
		{c + "proxy-disable-inbound-protocol-detect-timeout", Bool, nil},
		{c + "proxy-disable-outbound-protocol-detect-timeout", Bool, nil},
		{Native, Bool, nil},
		{c + "proxy-ephemeral-storage-limit", Quantity, nil},
		{c + "proxy-ephemeral-storage-request", Quantity, nil},
		{c + "proxy-image", Anything, nil},
		{c + "proxy-inbound-connect-timeout", Duration, nil},
		{c + "proxy-inbound-discovery-cache-unused-timeout", Duration, nil},
		{c + "proxy-log-format", OneOf, []string{"plain", "json"}},
		{c + "proxy-log-http-headers", Anything, nil},
		{c + "proxy-log-level", Anything, nil},
		{c + "proxy-memory-limit", Quantity, nil},
		{c + "proxy-memory-request", Quantity, nil},
		{c + "proxy-metrics-hostname-labels", Bool, nil},
		{c + "proxy-outbound-connect-timeout", Duration, nil},
		{c + "proxy-outbound-discovery-cache-unused-timeout", Duration, nil},
		{c + "proxy-require-identity-inbound-ports", Ports, nil},
		{c + "proxy-version", Anything, nil},
		{c + "shutdown-grace-period", Duration, nil},
		{c + "trace-collector", Anything, nil},                 // jaeger
		{c + "trace-collector-service-account", Anything, nil}, // jaeger
		{NativeAlpha, Bool, nil},
		{alpha + "proxy-wait-before-exit-seconds", Seconds, nil},
		{alpha + "trace-collector-service-account", Anything, nil}, // before 2.10
		{NativeBeta, Bool, nil},
		{Inject, OneOf, []string{"enabled", "ingress", "disabled", ""}},
		{ControlPlaneComponent, Written, nil},
		{l + "control-plane-ns", Written, nil},
		{createdBy, Written, nil},
		{l + "extension", Written, nil},
		{l + "proxy-cronjob", Written, nil},
		{l + "proxy-daemonset", Written, nil},
		{l + "proxy-deployment", Written, nil},
		{l + "proxy-job", Written, nil},
		{l + "proxy-replicaset", Written, nil},
		{l + "proxy-replicationcontroller", Written, nil},
		{l + "proxy-statefulset", Written, nil},
		{ProxyVersion, Written, nil},
		{l + "trust-root-sha256", Written, nil},
		{l + "workload-ns", Written, nil},
		{viz + "disable-tap", Bool, nil},
		{viz + "external-prometheus", Anything, nil}, // on viz's Namespace
		{viz + "tap-enabled", Written, nil},
		{"jaeger.linkerd.io/tracing-enabled", Written, nil},
	}
}
