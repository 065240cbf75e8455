package config

// Names says by which name the program was called. That decides the defaults.
type Names int

// The names that the program answers to.
const (
	ShuntNames   Names = iota // shunt: what is not given has its standard value
	LinkerdNames              // proxy-init, linkerd2-proxy-init: as Linkerd's own program
)

// defaults returns the lowest layer.
func (n Names) defaults() Config {
	if n == LinkerdNames {
		return Linkerd()
	}
	return Standard()
}

// Standard returns the values that hold under shunt's own name: those of
// Linkerd's Helm chart. 4567 and 4568 are Galera's ports, which the chart
// skips both ways. IPv6 is off, because the proxy listens on IPv4 only unless
// the chart's disableIPv6 is false: redirected IPv6 connections would be refused.
func Standard() Config {
	c := Linkerd()
	c.Fallback = false // what was asked for by name is never replaced
	c.IPv6 = false
	c.InboundPort = StandardInboundPort
	c.OutboundPort = StandardOutboundPort
	c.ProxyUID = StandardProxyUID
	c.SkipInboundPorts = PortSet{{StandardControlPort, StandardAdminPort}, {4567, 4568}}
	c.SkipOutboundPorts = PortSet{{4567, 4568}}
	return c
}

// CNI returns the values that Linkerd's CNI chart writes into the network
// configuration.
func CNI() Config {
	c := CNIAbsent()
	c.SkipInboundPorts = PortSet{{StandardControlPort, StandardAdminPort}}
	return c
}

// CNIAbsent returns the values of keys that a network configuration leaves out:
// ports and uid are those of Linkerd's chart, every list is empty, and IPv6 is
// off.
func CNIAbsent() Config {
	c := Linkerd()
	c.InboundPort = StandardInboundPort
	c.OutboundPort = StandardOutboundPort
	c.ProxyUID = StandardProxyUID
	c.IPv6 = false
	return c
}

// Linkerd returns the values that hold under Linkerd's names, where every
// list that is not given is empty. The inbound port, the outbound port and
// the proxy's uid are unset: Validate asks for the ports, and for a uid or gid.
//
// Linkerd's program takes iptables-legacy where neither a mode nor a binary
// is given. Here that is auto, because many nodes and images have no legacy
// binary or no legacy kernel modules, and the rules mean the same.
func Linkerd() Config {
	return Config{
		ControlPort:  StandardControlPort,
		AdminPort:    StandardAdminPort,
		ProxyUID:     NoID,
		ProxyGID:     NoID,
		IPv6:         true,
		Backend:      BackendAuto,
		IptablesMode: ModeAuto,
		Fallback:     true,
		LockTimeout:  DefaultLockTimeout,
	}
}

// ExemptGID returns the group id whose outbound traffic bypasses the proxy:
// ProxyGID, but NoID for 0, since every process of many images has gid 0.
func (c Config) ExemptGID() ID {
	if c.ProxyGID == 0 {
		return NoID
	}
	return c.ProxyGID
}
