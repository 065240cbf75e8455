package config

import (
	"slices"
	"strings"
)

// envLayer reads the settings' variables. Others that begin with SHUNT_ are
// not ours: Kubernetes sets SHUNT_PORT and the like in every container when
// there is a Service named shunt. It can set one of ours too
// (SHUNT_ADMIN_PORT=tcp://10.0.0.1:80 for a Service named shunt-admin); such a
// value is recognized, and ignored with a warning.
func envLayer(lookup func(string) (string, bool), settings []Setting) (layer, []string) {
	l := make(layer, len(settings))
	var warnings []string
	for i, s := range settings {
		text, ok := lookup(s.Env())
		if !ok {
			continue
		}
		source := Source("environment " + s.Env())
		if s.Kind == KindPort && strings.Contains(text, "://") {
			warnings = append(warnings, string(source)+": "+Quote(text)+
				" is what Kubernetes sets for a Service of that name: ignored")
			continue
		}
		l[i] = []Value{{Source: source, Text: text}}
	}
	return l, warnings
}

// MisspeltVariables returns a warning for each variable of an environment, of the
// form NAME=value, that is one edit away from a setting's. What Kubernetes sets
// for a Service is none: SHUNT_SKIP_PORT for one that is named shunt-skip.
func MisspeltVariables(environ []string) []string {
	var known, services, warnings []string
	for _, s := range Settings() {
		known = append(known, s.Env())
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if service, ok := strings.CutSuffix(name, "_SERVICE_HOST"); ok {
			services = append(services, service)
		}
	}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "SHUNT_") || slices.Contains(known, name) || strings.Contains(value, "://") ||
			slices.ContainsFunc(services, func(s string) bool {
				return strings.HasPrefix(name, s+"_PORT") || strings.HasPrefix(name, s+"_SERVICE_")
			}) {
			continue
		}
		for _, k := range known {
			if len(name)-len(k) <= 1 && len(k)-len(name) <= 1 && edits(name, k) == 1 {
				warnings = append(warnings, "environment "+name+" is not known, and ignored: did you mean "+k+"?")
			}
		}
	}
	return warnings
}
