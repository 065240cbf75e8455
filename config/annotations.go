package config

import "strings"

// Mode says how annotations combine with the configuration.
type Mode string

// The two ways in which Linkerd sets up a pod.
const (
	// ModeInit is the injector with its init container: the inbound skip
	// list of the annotation replaces the configured one.
	ModeInit Mode = "init"
	// ModeCNI is the plugin: the inbound skip list of the annotation is
	// added to the configured one.
	ModeCNI Mode = "cni"
)

// MergeAnnotations returns base with what the pod's annotations say, and its
// namespace's for keys that the pod does not have, each combined as the table of
// settings says. Either map may be nil; other keys do not count. An empty value
// means none, for a list and for an id.
//
// If an annotation changes the inbound skip list, or the proxy's control or
// admin port, the resulting control and admin ports are added to that list, as
// the injector does. In ModeInit they replace those on a default list.
//
// base is not changed. The error is an InputError that names the annotation,
// the invalid entry and a valid one; the result is not validated.
func MergeAnnotations(base Config, pod, namespace map[string]string, mode Mode) (Config, error) {
	c, changed := base, map[string]bool{}
	for _, s := range Settings() {
		v, ok := s.annotated(pod, namespace)
		if !ok {
			continue
		}
		if err := s.Set(&c, v); err != nil {
			return Config{}, err
		}
		changed[s.Name] = true
		if server := s.Name == settingControlPort || s.Name == settingAdminPort; server && mode == ModeInit && base.Sources.Of(settingSkipInboundPorts) == Default {
			c.SkipInboundPorts = c.SkipInboundPorts.Without(*s.field(&base).(*uint16))
		}
		// An empty value means none in both modes: there has to be a way to say it.
		if s.AddsInCNI && mode == ModeCNI && s.Get(&c) != "" {
			list, configured := s.field(&c).(*PortSet), s.field(&base).(*PortSet)
			*list = list.Union(*configured)
			c.Sources = c.Sources.with(s.Name, joinSources(base.Sources.Of(s.Name), v.Source))
		}
	}
	if changed[settingSkipInboundPorts] || changed[settingControlPort] || changed[settingAdminPort] {
		c.keepProxyServers()
	}
	return c, nil
}

// annotated returns the value that the pod's or its namespace's annotation
// gives the setting.
func (s Setting) annotated(pod, namespace map[string]string) (v Value, ok bool) {
	if s.Annotation == "" {
		return Value{}, false
	}
	v.Source = Source("pod annotation " + s.Annotation)
	if v.Text, ok = pod[s.Annotation]; !ok && !s.PodOnly {
		v.Source = Source("namespace annotation " + s.Annotation)
		v.Text, ok = namespace[s.Annotation]
	}
	if s.Kind == KindID && strings.TrimSpace(v.Text) == "" {
		v.Text = NoID.String()
	}
	return v, ok
}

// keepProxyServers puts the proxy's control and admin ports on the inbound
// skip list.
func (c *Config) keepProxyServers() {
	for _, server := range []struct {
		setting string
		port    uint16
	}{
		{settingControlPort, c.ControlPort},
		{settingAdminPort, c.AdminPort},
	} {
		if server.port == 0 || c.SkipInboundPorts.Contains(server.port) {
			continue
		}
		c.SkipInboundPorts = c.SkipInboundPorts.Union(PortSet{{server.port, server.port}})
		c.addSource(settingSkipInboundPorts, Source(server.setting))
	}
}
