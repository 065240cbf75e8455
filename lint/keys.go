package lint

import (
	"slices"
	"strings"

	"shunt/config"
	"shunt/pods"
)

// The keys of settings that the code below refers to.
const (
	skipInboundKey  = "config.linkerd.io/skip-inbound-ports"
	skipOutboundKey = "config.linkerd.io/skip-outbound-ports"
	skipBothKey     = "linkerd.io/skip-ports"
)

// domains returns what the known keys begin with, the likelier first. Of these
// domains every key is known; of others of Linkerd's (policy.linkerd.io) not.
func domains() []string {
	return []string{"config.linkerd.io", "linkerd.io", "config.alpha.linkerd.io", "config.beta.linkerd.io",
		"viz.linkerd.io", "jaeger.linkerd.io", "retry.linkerd.io", "timeout.linkerd.io", "balancer.linkerd.io", "balancer.alpha.linkerd.io",
		"mirror.linkerd.io", "multicluster.linkerd.io", "failover.linkerd.io", "shunt"}
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
		if right := d + "/" + name; l.known[right].Name != "" && l.tells(right, domain) {
			g.key = right
			return g
		}
	}
	if !g.ours {
		return g
	}
	for _, d := range append([]string{domain}, domains()...) {
		if right := config.Suggest(name, l.names(d)); right != "" && l.tells(d+"/"+right, domain) {
			g.key = d + "/" + right
			return g
		}
	}
	return g
}

// tells reports whether a key's name tells that it was meant, also in another
// domain: those of the routes' and the extensions' are common words (http,
// limit, request), except in a domain of their own (balancer.alpha).
func (l *linter) tells(key, domain string) bool {
	own, _, _ := strings.Cut(key, ".")
	read := l.known[key].Read
	return read == pods.OnPods || read == pods.OnPodsOnly || strings.HasPrefix(domain, own+".")
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
