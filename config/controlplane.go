package config

// APIServerPorts returns the ports by which the control plane's pods reach the
// API server where nothing else is configured: those of the Service and of
// kube-apiserver itself, as linkerd-cni takes them.
func APIServerPorts(source Source) Value {
	return Value{Source: source, Text: "443,6443"}
}

// SkipAPIServer returns c with the API server's ports added to the outbound
// skip list, for pods of Linkerd's control plane: they talk to the API server
// before there is a proxy that could. The error is an InputError.
func SkipAPIServer(c Config, ports Value) (Config, error) {
	set, err := ParsePorts(ports.Text)
	if err != nil {
		return Config{}, ports.fault(err)
	}
	c.SkipOutboundPorts = c.SkipOutboundPorts.Union(set)
	c.addSource(settingSkipOutboundPorts, ports.Source)
	return c, nil
}
