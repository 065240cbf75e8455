package lint

import (
	"maps"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// webhooksLabel is a Namespace's label, and no annotation.
const webhooksLabel = "config.linkerd.io/admission-webhooks"

// annotations checks keys, where they are, and their values.
func (l *linter) annotations(p *place, labels manifest.Texts) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		k := l.known[key]
		if k.Name == "" || k.Format == pods.Written || k.Read == pods.Anywhere {
			continue
		}
		rule, severity := l.wrongPlace(p, key, labels[key].Value)
		message := "this label has no effect: it has to be an annotation"
		if rule == notInjected {
			message = "this label does not ask for a proxy: it has to be an annotation"
		}
		l.addAs(severity, rule, p.Object, labels[key].Line, strings.TrimSuffix(p.at, "annotations")+`labels["`+key+`"]`,
			message, written("under annotations: "+key, labels[key].Value))
	}
	for _, key := range p.keys() {
		value := p.list[key].Value
		k := l.known[key]
		switch {
		case key == webhooksLabel:
			l.report(misplacedAnnotation, p, key, "this annotation has no effect: it has to be a label of the Namespace", written("under labels: "+key, value))
		case k.Name == "":
			l.unknown(p, key, l.guess(key))
		case k.Format != pods.Written && !l.misplaced(p, k, value):
			if wants := p.check(k, value); wants != "" {
				l.invalid(p, key, wants)
			}
		}
	}
}

func (l *linter) unknown(p *place, key string, g guess) {
	switch {
	case g.key != "":
		l.report(misspeltAnnotation, p, key, "this annotation is misspelt and has no effect", written(g.key, p.list[key].Value))
	case g.ours:
		l.report(unknownAnnotation, p, key, "unknown annotation: neither Linkerd nor shunt reads it", "nothing, or one of Linkerd's annotations")
	}
}

// wantsProxy reports whether a value of linkerd.io/inject asks for a proxy.
func wantsProxy(value string) bool { return value == "enabled" || value == "ingress" }

// invalid reports a value. What config says of one begins with what is wrong with
// which entry.
func (l *linter) invalid(p *place, key, wants string) {
	const want = ": want "
	message := "invalid value " + config.Quote(p.list[key].Value)
	if i := strings.LastIndex(wants, want); i >= 0 {
		message, wants = message+": "+wants[:i], wants[i+len(want):]
	}
	l.report(invalidValue, p, key, message, wants)
}

// misplaced reports whether an annotation has no effect where it is. A workload
// may have it as well as its pods, where it is read.
func (l *linter) misplaced(p *place, k pods.Key, value string) bool {
	key := k.Name
	message, fix := "", ""
	switch {
	case k.Read == pods.Anywhere:
		return false
	case k.Read == pods.OnServices:
		if p.on == onService || p.on == onOther {
			return false
		}
		message, fix = "on Services and routes", "the same on the Service that clients connect to"
	case p.on == onMaker:
		if _, also := p.Pod.Annotations[key]; also || key == pods.Inject && !l.facts(p.Object).in.Injected {
			return true // the second is a finding of its own
		}
		message, fix = "on the pods", written(p.Pod.AnnotationsPath+": "+key, value)
	case p.on == onService && key != pods.Opaque:
		message, fix = "on pods and namespaces", "the same on the pods"
	case p.on == onNamespace && (k.Read == pods.OnPodsOnly || key == skipBothKey || l.notInherited(key)):
		message, fix = "on pods", "the same on the pods"
		if key == skipBothKey {
			fix = skipInboundKey + " and " + skipOutboundKey + ", or " + fix
		}
	case p.on == onOther && !ofKubernetes(p.Object): // what an operator makes of it is not known
		return false
	case p.on == onOther && key != pods.Opaque:
		message, fix = "on pods and namespaces", "the same on the pods"
	default:
		return false
	}
	rule, severity := l.wrongPlace(p, key, value)
	l.addAs(severity, rule, p.Object, p.list[key].Line, p.path(key), "this has no effect here: it is read "+message+" only", fix)
	return true
}

// wrongPlace returns the rule about an annotation in the wrong place, and how
// bad it is: a request for a proxy in vain is an error, and one that pods make as
// well only more than is needed.
func (l *linter) wrongPlace(p *place, key, value string) (rule string, severity Severity) {
	switch {
	case key != pods.Inject || !wantsProxy(value):
		return misplacedAnnotation, l.severities[misplacedAnnotation]
	case l.inVain(p):
		return notInjected, l.severities[notInjected]
	}
	return misplacedAnnotation, Note
}

// inVain reports whether what stands in the wrong place is all that asks for a
// proxy: charts put the same annotations everywhere.
func (l *linter) inVain(p *place) bool {
	switch {
	case p.Pod != nil:
		return !l.facts(p.Object).in.Requested
	case p.on == onNamespace:
		return p.list[pods.Inject].Value == "" && !l.asked[p.Name]
	}
	return !l.asked[p.InNamespace()]
}

// ofKubernetes reports whether an object is of one of Kubernetes' own API
// groups, whose annotations nothing hands on to pods.
func ofKubernetes(o *manifest.Object) bool {
	return !strings.Contains(o.Group, ".") || strings.HasSuffix(o.Group, ".k8s.io")
}

// values checks the annotations in a chart's values that are not for pods.
func (l *linter) values(o *manifest.Object) {
	for _, v := range o.Values {
		p := &place{o, v.Path, v.Annotations, onOther}
		parts := strings.Split(strings.ToLower(v.Path), ".")
		switch parts[len(parts)-2] {
		case "service":
			p.on = onService
		case "deployment", "daemonset", "statefulset":
			l.madeBy(p)
			continue
		}
		l.annotations(p, nil)
	}
}

// madeBy checks the annotations that a chart puts on what makes its pods.
func (l *linter) madeBy(p *place) {
	for _, key := range p.keys() {
		switch k := l.known[key]; {
		case k.Name == "":
			l.unknown(p, key, l.guess(key))
		case k.Format == pods.Written || k.Read == pods.Anywhere:
		case key == pods.Inject && wantsProxy(p.list[key].Value):
			l.report(notInjected, p, key, "this does not ask for a proxy: Linkerd reads it on the pods", "the same under the chart's podAnnotations")
		default:
			l.report(misplacedAnnotation, p, key, "this has no effect here: it is read on the pods only", "the same under the chart's podAnnotations")
		}
	}
}

// written shows an annotation as it is to be written.
func written(key, value string) string { return key + `: "` + value + `"` }
