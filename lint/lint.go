// Package lint finds mistakes in manifests before they are applied: annotations
// that do nothing, lists that contradict each other, workloads that the proxy
// would break.
package lint

import (
	"maps"
	"slices"
	"sort"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// Severity says how bad a finding is.
type Severity string

// The severities, as SARIF 2.1.0 names its levels (section 3.27.10).
const (
	Error   Severity = "error"   // it does not work, or not as it is written
	Warning Severity = "warning" // it probably does not do what was meant
	Note    Severity = "note"    // it changes nothing
)

// Rule is one kind of finding.
type Rule struct {
	ID       string // stable
	Severity Severity
	Why      string // one sentence: what happens if nothing is changed
}

// The ids of the rules.
const (
	invalidDocument     = "invalid-document"
	invalidIgnoring     = "invalid-ignore"
	misspeltAnnotation  = "misspelt-annotation"
	unknownAnnotation   = "unknown-annotation"
	misplacedAnnotation = "misplaced-annotation"
	invalidValue        = "invalid-value"
	opaqueAndSkipped    = "opaque-and-skipped"
	skipUnexposedPort   = "skip-unexposed-port"
	skipProxyPort       = "skip-proxy-port"
	skipEverything      = "skip-everything"
	redundantSkip       = "redundant-skip"
	serverSpeaksFirst   = "server-speaks-first"
	policyWithoutProxy  = "policy-without-proxy-port"
	jobNeverCompletes   = "job-never-completes"
	hostNetwork         = "host-network"
	notInjected         = "not-injected"
	ingressAPIServer    = "ingress-api-server"
	servicePort         = "service-port"
	opaqueOnOneSide     = "opaque-on-one-side"
	externalServer      = "external-server"
	skipPortsOfShunt    = "skip-ports-of-shunt"
	egressControlPlane  = "egress-without-control-plane"
	oneAddress          = "one-address"
	secondNetwork       = "second-network"
	tooMany             = "too-many-objects"
)

// Rules returns every rule.
func Rules() []Rule {
	return []Rule{
		{invalidDocument, Error, "Kubernetes refuses the document, and lint cannot check the rest of it."},
		{invalidIgnoring, Warning, "Silencing a finding without a reason hides it from the next reader, and an unknown rule silences nothing."},
		{tooMany, Note, "Comparing every object with every other would take too long, so some findings about Services and NetworkPolicies may be missing."},
		{misspeltAnnotation, Error, "An annotation with a misspelt key does nothing, and Linkerd does not report it."},
		{unknownAnnotation, Warning, "Linkerd ignores unknown keys, even in its own domain."},
		{misplacedAnnotation, Warning, "Linkerd reads the annotations of pods and of their namespace. It ignores those of a Deployment and the like, and labels."},
		{invalidValue, Error, "Linkerd ignores an invalid value, or the pod does not start."},
		{opaqueAndSkipped, Warning, "Connections to a skipped port never reach the proxy, so marking it opaque has no effect: no mutual TLS, no metrics."},
		{skipUnexposedPort, Warning, "An inbound skip port that no container exposes is a wrong number, or has no effect."},
		{skipProxyPort, Warning, "A skip list that covers the proxy's own ports is probably too wide: no application listens there."},
		{skipEverything, Error, "If every port is skipped, the pod has a proxy, but no connection in that direction reaches it."},
		{redundantSkip, Note, "An entry of a skip list that changes nothing misleads its readers."},
		{serverSpeaksFirst, Warning, "If the server speaks first, the proxy waits for the client's first bytes, and every connection stalls for 10 seconds."},
		{policyWithoutProxy, Error, "Meshed clients connect to the proxy's inbound port instead of the one that they mean, and no NetworkPolicy allows that port."},
		{egressControlPlane, Warning, "A proxy that does not reach the control plane gets no identity, and its pod does not become ready."},
		{jobNeverCompletes, Error, "Unless it is a native sidecar, the proxy keeps running after the job is done, and so does the pod."},
		{hostNetwork, Error, "Linkerd does not inject a pod that uses the host's network: the rules would apply to the whole node."},
		{notInjected, Error, "Something asks for a proxy and the pods get none, and Linkerd says so in an Event at most: their traffic has no mutual TLS."},
		{ingressAPIServer, Warning, "In ingress mode the proxy routes by the header l5d-dst-override, which connections to the Kubernetes API do not have."},
		{servicePort, Warning, "A Service's port is translated before the pod's inbound rules see the connection, so a skip list with that port has no effect."},
		{opaqueOnOneSide, Warning, "Clients read the opaque ports of the Service, the server's proxy those of the pod: if only one knows, connections stall or fail."},
		{externalServer, Warning, "The proxy cannot detect a protocol in which the server speaks first, and a server outside the cluster cannot be marked opaque on its pods."},
		{oneAddress, Warning, "The proxy connects to the server at one address of the pod, and a server that listens on another refuses."},
		{secondNetwork, Warning, "Connections that come in by a second network are redirected as well, and the proxy refuses those to an address that is not the pod's."},
		{skipPortsOfShunt, Note, "Linkerd's control plane does not know linkerd.io/skip-ports, so meshed clients do not know that these ports bypass the proxy."},
	}
}

// Finding is one thing that is wrong.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"` // 0: not known
	Object   string   `json:"object"`         // "Deployment shop/web"; empty: not known
	Path     string   `json:"path"`           // within the object; empty: not known
	Message  string   `json:"message"`        // what is wrong
	Fix      string   `json:"fix"`            // what to write instead; empty: the message says it
}

// Check returns what is wrong in a set of manifests under a release of
// Linkerd, in the order of the files and their lines, and how many findings
// were left out because they are silenced: by ignores, by an annotation
// shunt/lint-ignore, or by a comment. It sets s.NeedTokens by the release.
func Check(s *manifest.Set, r Release, ignores ...Ignore) (findings []*Finding, silenced int) {
	l := newLinter(s, r)
	l.check()
	return l.silence(ignores)
}

func newLinter(s *manifest.Set, r Release) *linter {
	l := &linter{set: s, release: r, severities: map[string]Severity{}, noted: map[Finding]bool{}, known: known(), guesses: map[string]guess{},
		workloads: map[*manifest.Object]*workload{}, endpoints: map[string]bool{}, asked: map[string]bool{},
		servicePorts: map[uint16]bool{}, targets: map[string]targeted{}, reported: map[ruleKey]bool{}, steps: maxSteps, opaqueByDefault: r.OpaquePorts()}
	for _, rule := range Rules() {
		l.severities[rule.ID] = rule.Severity
	}
	s.NeedTokens = r < tokensMounted
	l.read()
	for _, w := range s.Workloads() {
		facts := l.facts(w)
		l.addPod(facts)
		l.asked[w.InNamespace()] = l.asked[w.InNamespace()] || facts.in.Requested
	}
	return l
}

func (l *linter) check() {
	for _, b := range l.set.Broken {
		l.note(Finding{Rule: invalidDocument, File: b.File, Line: b.Line, Object: b.Object, Message: b.Text})
	}
	standard := config.Standard()
	for _, o := range l.set.Objects {
		own := &place{o, "metadata.annotations", o.Annotations, onOther}
		switch {
		case o.Pod != nil:
			l.workload(own, l.workloads[o])
			continue
		case o.Kind == "Namespace":
			own.on = onNamespace
			l.skipLists(own, l.merged(standard, own, nil))
		case o.Service != nil:
			own.on = onService
			l.external(o)
		}
		l.annotations(own, o.Labels)
		l.values(o)
	}
	for _, o := range l.set.Others {
		l.annotations(&place{o, "metadata.annotations", o.Annotations, onOther}, o.Labels)
	}
}

type linter struct {
	set                         *manifest.Set
	release                     Release
	severities                  map[string]Severity // of the rules
	known                       map[string]pods.Key
	guesses                     map[string]guess // of the keys that are not known
	policies, services, servers index[*manifest.Object]
	workloads                   map[*manifest.Object]*workload
	pods                        index[*workload]
	steps                       int             // of comparing objects, that may still be made
	asked                       map[string]bool // namespaces in which pods ask for a proxy
	endpoints                   map[string]bool // NAMESPACE/SERVICE, whose endpoints the files have
	egressNetworks              bool            // there are some
	opaqueByDefault             config.PortSet
	servicePorts                map[uint16]bool     // of all Services
	targets                     map[string]targeted // by NAMESPACE and container port
	reported                    map[ruleKey]bool
	findings                    []*Finding
	noted                       map[Finding]bool
}

// sort puts the findings in the order of the files and their lines.
func (l *linter) sort() {
	order := map[string]int{}
	for i, name := range l.set.Files {
		order[name] = i
	}
	sort.SliceStable(l.findings, func(i, j int) bool {
		a, b := l.findings[i], l.findings[j]
		if a.File != b.File {
			return order[a.File] < order[b.File]
		}
		return a.Line < b.Line
	})
}

// where says on what annotations stand.
type where uint8

const (
	onOther     where = iota // something else
	onService                // a Service
	onNamespace              // from which pods inherit
	onMaker                  // a workload that makes pods
	onPod                    // a pod or a template
)

// place is where annotations stand.
type place struct {
	*manifest.Object
	at   string // "metadata.annotations"
	list manifest.Texts
	on   where
}

// path returns the path of an annotation.
func (p *place) path(key string) string { return p.at + `["` + key + `"]` }

// spec returns the path of a pod's spec.
func (p *place) spec() string { return strings.TrimPrefix(p.PodPath+".spec", ".") }

// keys returns the annotations' keys in order.
func (p *place) keys() []string { return slices.Sorted(maps.Keys(p.list)) }

// report notes what is wrong with an annotation, or with where it should be.
func (l *linter) report(rule string, p *place, key, message, fix string) {
	l.add(rule, p.Object, p.list[key].Line, p.path(key), message, fix)
}

// add notes what is wrong with an object; line 0 is the object's.
func (l *linter) add(rule string, o *manifest.Object, line int, path, message, fix string) {
	l.addAs(l.severities[rule], rule, o, line, path, message, fix)
}

// addAs is add for a finding of another severity than its rule's.
func (l *linter) addAs(severity Severity, rule string, o *manifest.Object, line int, path, message, fix string) {
	if line == 0 {
		line = o.Line
	}
	l.note(Finding{Rule: rule, Severity: severity, File: o.File, Line: line, Object: o.String(), Path: path, Message: message, Fix: fix})
}

// note keeps a finding. What is wrong in a namespace is found by each of its
// workloads, and kept once.
func (l *linter) note(f Finding) {
	if f.Severity == "" {
		f.Severity = l.severities[f.Rule]
	}
	if !l.noted[f] {
		l.noted[f] = true
		l.findings = append(l.findings, &f)
	}
}

// workload checks a workload, and what its pods would get.
func (l *linter) workload(own *place, w *workload) {
	pod := podPlace(w.Object)
	if w.PodPath != "" {
		own.on = onMaker
		l.annotations(own, w.Labels)
	}
	l.annotations(pod, w.Pod.Labels)
	l.values(w.Object)
	l.injection(own, pod, w.in)
	if w.in.Injected {
		l.job(pod)
		l.ports(pod, w.config)
		l.network(w)
		l.addresses(pod)
	}
}
