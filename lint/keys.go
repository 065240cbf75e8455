package lint

import (
	"maps"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// The keys of settings that the code below refers to.
const (
	skipInboundKey  = "config.linkerd.io/skip-inbound-ports"
	skipOutboundKey = "config.linkerd.io/skip-outbound-ports"
	skipBothKey     = "linkerd.io/skip-ports"
)

// domains returns what the known keys begin with, the likelier first. Of these
// domains every key is known; of others of Linkerd's (retry.linkerd.io) not.
func domains() []string {
	return []string{"config.linkerd.io", "linkerd.io", "config.alpha.linkerd.io", "config.beta.linkerd.io",
		"viz.linkerd.io", "jaeger.linkerd.io", "shunt"}
}

// aSetting is the format of a setting's value (package config), as package
// pods has none.
const aSetting pods.Format = -1

// known returns every annotation that Linkerd or shunt reads or writes.
func known() map[string]pods.Key {
	known := map[string]pods.Key{}
	for _, k := range pods.Keys() {
		known[k.Name] = k
	}
	for _, s := range config.Settings() {
		if s.Annotation != "" {
			known[s.Annotation] = pods.Key{Name: s.Annotation, Format: aSetting}
		}
	}
	known[ignoreKey] = pods.Key{Name: ignoreKey, Format: pods.Written}
	return known
}

// nearest returns the known key that was probably meant by an unknown one,
// empty if there is none, and whether the key is in a domain of which every
// key is known.
func (l *linter) nearest(key string) (g guess) {
	domain, name, _ := strings.Cut(key, "/")
	g.ours = slices.Contains(domains(), domain)
	if !g.ours && !strings.HasSuffix(domain, ".linkerd.io") {
		// A misspelt domain: only if the name is one of its.
		if right := config.Suggest(domain, domains()) + "/" + name; l.known[right].Name != "" {
			g.key = right
		}
		return g
	}
	for _, d := range domains() { // the right name in the wrong domain
		if right := d + "/" + name; l.known[right].Name != "" {
			g.key = right
			return g
		}
	}
	if !g.ours {
		return g
	}
	for _, d := range append([]string{domain}, domains()...) {
		if right := config.Suggest(name, l.names(d)); right != "" {
			g.key = d + "/" + right
			return g
		}
	}
	return g
}

// names returns the known names in a domain, in order.
func (l *linter) names(domain string) []string {
	var names []string
	for key := range l.known {
		if name, ok := strings.CutPrefix(key, domain+"/"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
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
	g, made := l.guesses[key]
	switch {
	case made:
	case len(l.guesses) < maxGuesses:
		g = l.nearest(key)
		l.guesses[key] = g
	default:
		domain, _, _ := strings.Cut(key, "/")
		g.ours = slices.Contains(domains(), domain)
	}
	return g
}

// annotations checks keys, where they are, and their values.
func (l *linter) annotations(p *place, labels manifest.Texts) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if k := l.known[key]; k.Name != "" && k.Format != pods.Written {
			l.add(misplacedAnnotation, p.Object, labels[key].Line, p.metadata+`.labels["`+key+`"]`,
				"this label has no effect: it has to be an annotation", written("under annotations: "+key, labels[key].Value))
		}
	}
	for _, key := range p.keys() {
		value := p.list[key].Value
		k := l.known[key]
		if k.Name == "" {
			g := l.guess(key)
			switch {
			case g.key != "":
				l.report(misspeltAnnotation, p, key, "this annotation is misspelt and has no effect", written(g.key, value))
			case g.ours:
				l.report(unknownAnnotation, p, key, "unknown annotation: neither Linkerd nor shunt reads it", "nothing, or one of Linkerd's annotations")
			}
			continue
		}
		if k.Format != pods.Written && !l.misplaced(p, key, value) {
			if wants := p.check(k, value); wants != "" {
				l.invalid(p, key, wants)
			}
		}
	}
}

func (l *linter) invalid(p *place, key, wants string) {
	l.report(invalidValue, p, key, "invalid value "+config.Quote(p.list[key].Value), wants)
}

// misplaced reports whether an annotation has no effect where it is. A workload
// may have it as well as its pods, where it is read.
func (l *linter) misplaced(p *place, key, value string) bool {
	message, fix := "", ""
	switch {
	case p.on == onMaker:
		if _, also := p.Pod.Annotations[key]; also || key == pods.Inject && !l.set.Injection(p.Object).Injected {
			return true // the second is a finding of its own
		}
		message, fix = "on the pods", written(p.PodPath+".metadata.annotations: "+key, value)
	case p.on == onOther && key != pods.Opaque:
		message, fix = "on pods and namespaces", "the same on the pods"
	case p.on == onNamespace && key == skipBothKey:
		message, fix = "on pods", skipInboundKey+" and "+skipOutboundKey+", or the same on the pods"
	default:
		return false
	}
	l.report(misplacedAnnotation, p, key, "this has no effect here: it is read "+message+" only", fix)
	return true
}

// written shows an annotation as it is to be written.
func written(key, value string) string { return key + `: "` + value + `"` }
