package lint

import (
	"maps"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
)

// The keys that the code below refers to.
const (
	skipInboundKey  = "config.linkerd.io/skip-inbound-ports"
	skipOutboundKey = "config.linkerd.io/skip-outbound-ports"
	skipBothKey     = "linkerd.io/skip-ports"
	opaqueKey       = "config.linkerd.io/opaque-ports"
	injectKey       = "linkerd.io/inject"
	shutdownKey     = "config.linkerd.io/proxy-admin-shutdown"
	nativeName      = "/proxy-enable-native-sidecar"
)

// known lists every annotation that Linkerd or shunt reads or writes: those of
// linkerd2 in August 2026 (pkg/k8s/labels.go) with what its injector takes as
// their values (pkg/inject/inject.go), and shunt's own. A line is a key and
// the kind of its value, or the values that it can have; written means that
// people have no business setting it, so that nothing is checked.
const known = `
config.linkerd.io/access-log apache|json|none|
config.linkerd.io/admin-port setting
config.linkerd.io/close-wait-timeout duration
config.linkerd.io/control-port setting
config.linkerd.io/debug-image any
config.linkerd.io/debug-image-pull-policy Always|IfNotPresent|Never
config.linkerd.io/debug-image-version any
config.linkerd.io/default-inbound-policy all-unauthenticated|all-authenticated|cluster-unauthenticated|cluster-authenticated|deny|audit
config.linkerd.io/enable-debug-sidecar bool
config.linkerd.io/enable-external-profiles bool
config.linkerd.io/enable-gateway bool
config.linkerd.io/image-pull-policy Always|IfNotPresent|Never
config.linkerd.io/inbound-port setting
config.linkerd.io/opaque-ports opaque
config.linkerd.io/outbound-port setting
config.linkerd.io/pod-inbound-ports ports
config.linkerd.io/proxy-additional-env json
config.linkerd.io/proxy-admin-shutdown enabled|disabled
config.linkerd.io/proxy-await enabled|disabled
config.linkerd.io/proxy-cpu-limit quantity
config.linkerd.io/proxy-cpu-ratio-limit ratio
config.linkerd.io/proxy-cpu-request quantity
config.linkerd.io/proxy-disable-inbound-protocol-detect-timeout bool
config.linkerd.io/proxy-disable-outbound-protocol-detect-timeout bool
config.linkerd.io/proxy-enable-native-sidecar bool
config.linkerd.io/proxy-ephemeral-storage-limit quantity
config.linkerd.io/proxy-ephemeral-storage-request quantity
config.linkerd.io/proxy-gid setting
config.linkerd.io/proxy-image any
config.linkerd.io/proxy-inbound-connect-timeout duration
config.linkerd.io/proxy-inbound-discovery-cache-unused-timeout duration
config.linkerd.io/proxy-log-format plain|json
config.linkerd.io/proxy-log-http-headers any
config.linkerd.io/proxy-log-level any
config.linkerd.io/proxy-memory-limit quantity
config.linkerd.io/proxy-memory-request quantity
config.linkerd.io/proxy-metrics-hostname-labels bool
config.linkerd.io/proxy-outbound-connect-timeout duration
config.linkerd.io/proxy-outbound-discovery-cache-unused-timeout duration
config.linkerd.io/proxy-require-identity-inbound-ports ports
config.linkerd.io/proxy-uid setting
config.linkerd.io/proxy-version any
config.linkerd.io/shutdown-grace-period duration
config.linkerd.io/skip-inbound-ports setting
config.linkerd.io/skip-outbound-ports setting
config.linkerd.io/skip-subnets setting
linkerd.io/inject enabled|ingress|disabled|
linkerd.io/skip-ports setting
linkerd.io/control-plane-component written
linkerd.io/control-plane-ns written
linkerd.io/created-by written
linkerd.io/extension written
linkerd.io/proxy-cronjob written
linkerd.io/proxy-daemonset written
linkerd.io/proxy-deployment written
linkerd.io/proxy-job written
linkerd.io/proxy-replicaset written
linkerd.io/proxy-replicationcontroller written
linkerd.io/proxy-statefulset written
linkerd.io/proxy-version written
linkerd.io/trust-root-sha256 written
linkerd.io/workload-ns written
config.alpha.linkerd.io/proxy-enable-native-sidecar bool
config.alpha.linkerd.io/proxy-wait-before-exit-seconds seconds
config.beta.linkerd.io/proxy-enable-native-sidecar bool
viz.linkerd.io/tap-enabled written
shunt/skip-outbound-subnets setting
shunt/skip-outbound-uids setting
`

// domains returns what the known keys begin with, the likelier first.
func domains() []string {
	return []string{"config.linkerd.io", "linkerd.io", "config.alpha.linkerd.io", "config.beta.linkerd.io", "viz.linkerd.io", "shunt"}
}

// kindOf returns the kind of a key's value, empty if the key is not known.
func kindOf(key string) string {
	_, rest, ok := strings.Cut(known, "\n"+key+" ")
	if !ok || key == "" {
		return ""
	}
	kind, _, _ := strings.Cut(rest, "\n")
	return kind
}

// nearest returns the known key that was probably meant by an unknown one,
// empty if there is none, and whether the key is in a domain of which every
// key is known. Other domains of Linkerd's (retry.linkerd.io) are not.
func nearest(key string) (guess string, ours bool) {
	domain, name, _ := strings.Cut(key, "/")
	ours = slices.Contains(domains(), domain)
	if !ours && !strings.HasSuffix(domain, ".linkerd.io") {
		// A misspelt domain: only if the name is one of its.
		if guess = config.Suggest(domain, domains()) + "/" + name; kindOf(guess) != "" {
			return guess, false
		}
		return "", false
	}
	for _, d := range domains() { // the right name in the wrong domain
		if guess = d + "/" + name; kindOf(guess) != "" {
			return guess, ours
		}
	}
	if !ours {
		return "", false
	}
	for _, d := range append([]string{domain}, domains()...) {
		var names []string
		for _, line := range strings.Split(known, "\n") {
			if n, ok := strings.CutPrefix(line, d+"/"); ok {
				n, _, _ = strings.Cut(n, " ")
				names = append(names, n)
			}
		}
		if n := config.Suggest(name, names); n != "" {
			return d + "/" + n, true
		}
	}
	return "", true
}

// guess is what was probably meant by a key that is not known, and whether the
// key is in a domain of which every key is.
type guess struct {
	key  string
	ours bool
}

// maxGuesses bounds the search for what was meant, whose cost is the square of
// a key's length: nobody makes as many different mistakes.
const maxGuesses = 1000

// guess returns what was probably meant by a key, as long as there are not too
// many.
func (l *linter) guess(key string) guess {
	g, known := l.guesses[key]
	switch {
	case known:
	case len(l.guesses) < maxGuesses:
		g.key, g.ours = nearest(key)
		l.guesses[key] = g
	default:
		domain, _, _ := strings.Cut(key, "/")
		g.ours = slices.Contains(domains(), domain)
	}
	return g
}

// annotations checks keys, places and values.
func (l *linter) annotations(p *place, labels manifest.Texts) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if kind := kindOf(key); kind != "" && kind != "written" {
			l.add(misplacedAnnotation, p.Object, labels[key].Line, p.metadata+`.labels["`+key+`"]`,
				"this is an annotation's key, and does nothing as a label", written("under annotations: "+key, labels[key].Value))
		}
	}
	for _, key := range p.keys() {
		value := p.list[key].Value
		kind := kindOf(key)
		if kind == "" {
			g := l.guess(key)
			switch {
			case g.key != "":
				l.report(misspeltAnnotation, p, key, "nobody reads this annotation, so it does nothing", written(g.key, value))
			case g.ours:
				l.report(unknownAnnotation, p, key, "neither Linkerd nor shunt knows this annotation, so it does nothing", "nothing, or a name from Linkerd's list of annotations")
			}
			continue
		}
		if kind != "written" && !l.misplaced(p, key, value) {
			if wants := p.check(kind, key, value); wants != "" {
				l.invalid(p, key, wants)
			}
		}
	}
}

func (l *linter) invalid(p *place, key, wants string) {
	l.report(invalidValue, p, key, config.Quote(p.list[key].Value)+" is not a value that it can have", wants)
}

// misplaced reports whether an annotation has no effect where it stands. On a
// workload it may stand beside the one on its pods, which is read.
func (l *linter) misplaced(p *place, key, value string) bool {
	message, fix := "", ""
	switch {
	case p.on == onMaker:
		if _, also := p.Pod.Annotations[key]; also {
			return true
		}
		message, fix = "on the pods", written(p.PodPath+".metadata.annotations: "+key, value)
	case p.on == onOther && key != opaqueKey:
		message, fix = "on pods and namespaces", "the same on the pods"
	case p.on == onNamespace && key == skipBothKey:
		message, fix = "on pods", skipInboundKey+" and "+skipOutboundKey+", or the same on the pods"
	default:
		return false
	}
	l.report(misplacedAnnotation, p, key, "this is read "+message+" only, so here it does nothing", fix)
	return true
}

// written shows an annotation as it is to be written.
func written(key, value string) string { return key + `: "` + value + `"` }
