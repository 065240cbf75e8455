package config

import (
	"maps"
	"slices"
	"strings"
)

// Source says where a value came from, in the operator's words: "default",
// "flag --skip-inbound-ports", "file /etc/shunt.yaml",
// "environment SHUNT_BACKEND", "pod annotation config.linkerd.io/proxy-uid".
type Source string

// Default is the Source of a value that nobody set.
const Default Source = "default"

// Sources maps a setting's name to where its value came from. A setting that
// is absent has its default. A list that was combined from several places
// names them all, joined by " + ".
type Sources map[string]Source

// Of returns where a setting's value came from, Default if nobody set it.
func (s Sources) Of(setting string) Source {
	if source, ok := s[setting]; ok {
		return source
	}
	return Default
}

// with returns a copy in which setting comes from source. It is a copy
// because Config values are passed around and share the map.
func (s Sources) with(setting string, source Source) Sources {
	c := maps.Clone(s)
	if c == nil {
		c = Sources{}
	}
	c[setting] = source
	return c
}

// joinSources names each of the places once, in the order given.
func joinSources(sources ...Source) Source {
	var names []string
	for _, source := range sources {
		for name := range strings.SplitSeq(string(source), " + ") {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return Source(strings.Join(names, " + "))
}

// addSource notes that source added to what the setting had.
func (c *Config) addSource(setting string, source Source) {
	c.Sources = c.Sources.with(setting, joinSources(c.Sources.Of(setting), source))
}
