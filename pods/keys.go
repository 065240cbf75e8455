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
	RouteTime          // a duration as Linkerd's policy controller reads it: whole, with a unit
	Written            // people have no business setting it: Linkerd does
)

// Where says on what an annotation is read.
type Where int

// The places.
const (
	OnPods     Where = iota // and on their namespace, from which they inherit
	OnPodsOnly              // the injector does not copy it from the namespace
	OnServices              // on Services and routes, about how clients connect
	Anywhere                // by an extension, on objects of its own
)

// Key is an annotation of Linkerd's, or of one of its extensions.
type Key struct {
	Name    string
	Format  Format
	Choices []string
	Read    Where
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
// August 2026; the forms are those that pkg/inject/inject.go takes, and what
// pods inherit is in its ProxyAnnotations) and its extensions read or write,
// without those that are settings of package config. It builds the table anew.
func Keys() []Key {
	const (
		c     = "config.linkerd.io/"
		l     = "linkerd.io/"
		alpha = "config.alpha.linkerd.io/"
		viz   = "viz.linkerd.io/"

		balancer      = "balancer.linkerd.io/"
		balancerAlpha = "balancer.alpha.linkerd.io/"
		retry         = "retry.linkerd.io/"
		timeout       = "timeout.linkerd.io/"
		mirror        = "mirror.linkerd.io/"
		multicluster  = "multicluster.linkerd.io/"
		failover      = "failover.linkerd.io/"
	)
	toggle := []string{"enabled", "disabled"}
	pull := []string{"Always", "IfNotPresent", "Never"}
	return []Key{
		{c + "access-log", OneOf, []string{"apache", "json", "none", ""}, OnPods},
		{c + "close-wait-timeout", Duration, nil, OnPodsOnly},
		{c + "debug-image", Anything, nil, OnPodsOnly},
		{c + "debug-image-pull-policy", OneOf, pull, OnPodsOnly},
		{c + "debug-image-version", Anything, nil, OnPodsOnly},
		{c + "default-inbound-policy", OneOf, []string{"all-unauthenticated", "all-authenticated", "cluster-unauthenticated", "cluster-authenticated", "deny", "audit"}, OnPods},
		{c + "enable-debug-sidecar", Bool, nil, OnPods},
		{c + "enable-external-profiles", Bool, nil, OnPods},
		{c + "enable-gateway", Bool, nil, OnPodsOnly},
		{c + "image-pull-policy", OneOf, pull, OnPods},
		{Opaque, OpaquePorts, nil, OnPods},
		{c + "pod-inbound-ports", Ports, nil, OnPods},
		{c + "proxy-additional-env", Environment, nil, OnPods},
		{Shutdown, OneOf, toggle, OnPods},
		{c + "proxy-await", OneOf, toggle, OnPods},
		{c + "proxy-cpu-limit", Quantity, nil, OnPods},
		{c + "proxy-cpu-ratio-limit", Ratio, nil, OnPodsOnly},
		{c + "proxy-cpu-request", Quantity, nil, OnPods},
		{c + "proxy-disable-inbound-protocol-detect-timeout", Bool, nil, OnPods},
		{c + "proxy-disable-outbound-protocol-detect-timeout", Bool, nil, OnPods},
		{Native, Bool, nil, OnPods},
		{c + "proxy-ephemeral-storage-limit", Quantity, nil, OnPods},
		{c + "proxy-ephemeral-storage-request", Quantity, nil, OnPods},
		{c + "proxy-image", Anything, nil, OnPods},
		{c + "proxy-inbound-connect-timeout", Duration, nil, OnPods},
		{c + "proxy-inbound-discovery-cache-unused-timeout", Duration, nil, OnPods},
		{c + "proxy-log-format", OneOf, []string{"plain", "json"}, OnPods},
		{c + "proxy-log-http-headers", Anything, nil, OnPods},
		{c + "proxy-log-level", Anything, nil, OnPods},
		{c + "proxy-memory-limit", Quantity, nil, OnPods},
		{c + "proxy-memory-request", Quantity, nil, OnPods},
		{c + "proxy-metrics-hostname-labels", Bool, nil, OnPods},
		{c + "proxy-outbound-connect-timeout", Duration, nil, OnPods},
		{c + "proxy-outbound-discovery-cache-unused-timeout", Duration, nil, OnPods},
		{c + "proxy-require-identity-inbound-ports", Ports, nil, OnPods},
		{c + "proxy-version", Anything, nil, OnPods},
		{c + "shutdown-grace-period", Duration, nil, OnPods},
		{c + "trace-collector", Anything, nil, OnPods},                 // jaeger
		{c + "trace-collector-service-account", Anything, nil, OnPods}, // jaeger
		{NativeAlpha, Bool, nil, OnPods},
		{alpha + "proxy-wait-before-exit-seconds", Seconds, nil, OnPods},
		{alpha + "trace-collector-service-account", Anything, nil, OnPods}, // before 2.10
		{NativeBeta, Bool, nil, OnPods},
		{Inject, OneOf, []string{"enabled", "ingress", "disabled", ""}, OnPods},
		{ControlPlaneComponent, Written, nil, OnPods},
		{l + "control-plane-ns", Written, nil, OnPods},
		{createdBy, Written, nil, OnPods},
		{l + "extension", Written, nil, OnPods},
		{l + "cni-resource", Written, nil, Anywhere},
		{l + "helm-release-version", Written, nil, Anywhere},
		{l + "is-control-plane", Written, nil, Anywhere},
		{l + "tap-rbac", Written, nil, Anywhere},
		{l + "proxy-cronjob", Written, nil, OnPods},
		{l + "proxy-daemonset", Written, nil, OnPods},
		{l + "proxy-deployment", Written, nil, OnPods},
		{l + "proxy-job", Written, nil, OnPods},
		{l + "proxy-replicaset", Written, nil, OnPods},
		{l + "proxy-replicationcontroller", Written, nil, OnPods},
		{l + "proxy-statefulset", Written, nil, OnPods},
		{ProxyVersion, Written, nil, OnPods},
		{l + "trust-root-sha256", Written, nil, OnPods},
		{l + "workload-ns", Written, nil, OnPods},
		{viz + "disable-tap", Bool, nil, OnPods},
		{viz + "external-prometheus", Anything, nil, Anywhere}, // on viz's Namespace
		{viz + "tap-enabled", Written, nil, OnPods},
		{"jaeger.linkerd.io/tracing-enabled", Written, nil, OnPods},

		// Read by the policy controller (policy-controller/k8s/index/src/outbound).
		{balancer + "failure-accrual", OneOf, []string{"consecutive", "unified"}, OnServices},
		{balancer + "failure-accrual-consecutive-max-failures", Anything, nil, OnServices},
		{balancer + "failure-accrual-consecutive-min-penalty", RouteTime, nil, OnServices},
		{balancer + "failure-accrual-consecutive-max-penalty", RouteTime, nil, OnServices},
		{balancer + "failure-accrual-consecutive-jitter-ratio", Anything, nil, OnServices},
		{balancerAlpha + "failure-accrual-honor-retry-after", Bool, nil, OnServices},
		{balancerAlpha + "failure-accrual-success-rate-min-requests", Anything, nil, OnServices},
		{balancerAlpha + "failure-accrual-success-rate-threshold", Anything, nil, OnServices},
		{balancerAlpha + "failure-accrual-success-rate-window", RouteTime, nil, OnServices},
		{balancerAlpha + "load-biaser-max-retry-after", RouteTime, nil, OnServices},
		{balancerAlpha + "load-biaser-penalty", RouteTime, nil, OnServices},
		{balancerAlpha + "penalize-failures", Bool, nil, OnServices},
		{retry + "grpc", Anything, nil, OnServices},
		{retry + "http", Anything, nil, OnServices},
		{retry + "limit", Seconds, nil, OnServices},
		{retry + "timeout", RouteTime, nil, OnServices},
		{timeout + "idle", RouteTime, nil, OnServices},
		{timeout + "request", RouteTime, nil, OnServices},
		{timeout + "response", RouteTime, nil, OnServices},

		// Of the extensions multicluster and failover: labels and annotations.
		{mirror + "cluster-name", Anything, nil, Anywhere},
		{mirror + "exported", Anything, nil, Anywhere},
		{mirror + "federated", Anything, nil, Anywhere},
		{mirror + "gateway-identity", Anything, nil, Anywhere},
		{mirror + "headless-mirror-svc-name", Anything, nil, Anywhere},
		{mirror + "mirrored-gateway", Anything, nil, Anywhere},
		{mirror + "mirrored-service", Anything, nil, Anywhere},
		{mirror + "multicluster-gateway", Anything, nil, Anywhere},
		{mirror + "probe-failure-threshold", Anything, nil, Anywhere},
		{mirror + "probe-path", Anything, nil, Anywhere},
		{mirror + "probe-period", Anything, nil, Anywhere},
		{mirror + "probe-timeout", Anything, nil, Anywhere},
		{mirror + "remote-gateway-identity", Anything, nil, Anywhere},
		{mirror + "remote-resource-version", Anything, nil, Anywhere},
		{mirror + "remote-svc-fq-name", Anything, nil, Anywhere},
		{multicluster + "cluster-domain", Anything, nil, Anywhere},
		{multicluster + "cluster-name", Anything, nil, Anywhere},
		{multicluster + "local-discovery", Anything, nil, Anywhere},
		{multicluster + "remote-discovery", Anything, nil, Anywhere},
		{multicluster + "remote-service", Anything, nil, Anywhere},
		{multicluster + "trust-domain", Anything, nil, Anywhere},
		{failover + "controlled-by", Anything, nil, Anywhere},
		{failover + "primary-service", Anything, nil, Anywhere},
	}
}
