package config

import "strings"

// The annotation keys that change a pod's configuration.
const (
	annotationSkipInbound = "config.linkerd.io/skip-inbound-ports"
	annotationSkipBoth    = "linkerd.io/skip-ports"
)

// Mode says how annotations combine with the configuration.
type Mode string

// The two ways in which Linkerd sets a pod up.
const (
	// ModeInit is the injector with its init container: the inbound skip
	// list of the annotation replaces the configured one.
	ModeInit Mode = "init"
	// ModeCNI is the plugin: the inbound skip list of the annotation is
	// added to the configured one.
	ModeCNI Mode = "cni"
)

// annotation is one that replaces a setting's value.
type annotation struct {
	key, setting string
}

// replacing returns the annotations that replace, in both modes.
func replacing() []annotation {
	return []annotation{
		{"config.linkerd.io/inbound-port", settingInboundPort},
		{"config.linkerd.io/outbound-port", settingOutboundPort},
		{"config.linkerd.io/control-port", settingControlPort},
		{"config.linkerd.io/admin-port", settingAdminPort},
		{"config.linkerd.io/proxy-uid", settingProxyUID},
		{"config.linkerd.io/proxy-gid", settingProxyGID},
		{"config.linkerd.io/skip-outbound-ports", settingSkipOutboundPorts},
		{"config.linkerd.io/skip-subnets", settingSkipSubnets},
		{"shunt/skip-outbound-subnets", settingSkipOutboundSubnets},
		{"shunt/skip-outbound-uids", settingSkipOutboundUIDs},
	}
}

// MergeAnnotations returns base with what the pod's annotations say, and for
// keys that the pod has not, the namespace's; either map may be nil, and other
// keys are passed over. An empty value means none, for a list and for an id.
// linkerd.io/skip-ports counts on the pod only and adds to both skip lists.
//
// As soon as an annotation changes the inbound skip list or the proxy's
// control or admin port, both ports (the ones that then hold) are put on that
// list, as the injector does.
//
// base is not changed. The error is an InputError that names the annotation,
// the bad entry and what would be right; the result is not validated.
func MergeAnnotations(base Config, pod, namespace map[string]string, mode Mode) (Config, error) {
	c, settings := base, Settings()
	lookup := func(key string) (Value, bool) {
		if text, ok := pod[key]; ok {
			return Value{Source: Source("pod annotation " + key), Text: text}, true
		}
		text, ok := namespace[key]
		return Value{Source: Source("namespace annotation " + key), Text: text}, ok
	}
	moved := false // the control or admin port
	for _, a := range replacing() {
		v, ok := lookup(a.key)
		if !ok {
			continue
		}
		s, _ := Find(settings, a.setting)
		if s.Kind == KindID && strings.TrimSpace(v.Text) == "" {
			v.Text = NoID.String()
		}
		if err := s.Set(&c, v); err != nil {
			return Config{}, err
		}
		moved = moved || a.setting == settingControlPort || a.setting == settingAdminPort
	}
	v, listed := lookup(annotationSkipInbound)
	if listed {
		s, _ := Find(settings, settingSkipInboundPorts)
		if err := s.Set(&c, v); err != nil {
			return Config{}, err
		}
		// Empty means none in both modes, so that there is a way to say it.
		if mode == ModeCNI && len(c.SkipInboundPorts) > 0 {
			c.SkipInboundPorts = c.SkipInboundPorts.Union(base.SkipInboundPorts)
			c.Sources = c.Sources.with(s.Name, joinSources(base.Sources.Of(s.Name), v.Source))
		}
	}
	if listed || moved {
		c.keepProxyServers()
	}
	if text, ok := pod[annotationSkipBoth]; ok {
		s, _ := Find(settings, settingSkipPorts)
		if err := s.Set(&c, Value{Source: "pod annotation " + annotationSkipBoth, Text: text}); err != nil {
			return Config{}, err
		}
	}
	return c, nil
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
