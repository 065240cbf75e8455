package config

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Validate says whether the configuration can be applied. The error, an
// InputError, is the first reason why not, above all a rule set that redirects
// the proxy's own traffic back to it. The warnings are those from reading, then
// those about values that are accepted but are probably mistakes.
func (c Config) Validate() (warnings []string, err error) {
	for _, check := range []func() error{
		c.checkPorts, c.checkLoop, c.checkBackend, c.checkTimes,
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return slices.Concat(c.Warnings, c.remarks()), nil
}

func (c Config) checkPorts() error {
	for _, p := range []struct {
		port          uint16
		name, linkerd string
	}{
		{c.InboundPort, settingInboundPort, "incoming-proxy-port"},
		{c.OutboundPort, settingOutboundPort, "outgoing-proxy-port"},
	} {
		if p.port != 0 {
			continue
		}
		if source, given := c.Sources[p.name]; given {
			return inputf("%s: port 0 cannot be redirected to: want a port from 1 to 65535", source)
		}
		return inputf("the proxy's %s is not set: give --%s (Linkerd: --%s)", p.name, p.name, p.linkerd)
	}
	return nil
}

// checkLoop refuses rules under which the proxy's own connections loop back to
// it forever.
func (c Config) checkLoop() error {
	switch {
	case c.ProxyUID < NoID || c.ProxyUID > MaxID:
		return inputf("proxy-uid %d is not a user id: want 0 to %d, or -1 for none", int64(c.ProxyUID), int64(MaxID))
	case c.ProxyGID < NoID || c.ProxyGID > MaxID:
		return inputf("proxy-gid %d is not a group id: want 0 to %d, or -1 for none", int64(c.ProxyGID), int64(MaxID))
	case c.ProxyUID != NoID || c.ExemptGID() != NoID:
		return nil
	}
	const loop = ", so the proxy's own connections would be redirected to it in a loop: give --proxy-uid or"
	uid, given := c.Sources[settingProxyUID]
	switch {
	case c.ProxyGID == 0:
		return inputf("there is no proxy-uid, and proxy-gid 0 (%s) exempts nothing"+loop+" another --proxy-gid", c.Sources.Of(settingProxyGID))
	case !given:
		return inputf("there is neither a proxy-uid nor a proxy-gid" + loop + " --proxy-gid")
	}
	return inputf("proxy-uid is -1 (%s) and there is no proxy-gid"+loop+" --proxy-gid", uid)
}

func (c Config) checkBackend() error {
	if !slices.Contains(backends(), c.Backend) {
		return inputf("invalid backend %s: want %s", Quote(c.Backend), oneOf(backends()))
	}
	if !slices.Contains(iptablesModes(), c.IptablesMode) {
		return inputf("invalid iptables-mode %s: want %s", Quote(c.IptablesMode), oneOf(iptablesModes()))
	}
	if c.Backend == BackendNftables && (c.IptablesMode == ModeLegacy || c.IptablesMode == ModePlain) {
		return inputf("backend nftables (%s) contradicts iptables mode %s (%s), which calls a binary: give one of them",
			c.Sources.Of(settingBackend), c.IptablesMode, c.Sources.Of(settingIptablesMode))
	}
	return nil
}

func (c Config) checkTimes() error {
	if c.LockTimeout <= 0 {
		return inputf("lock-timeout %s would never get the lock: want more than zero", c.LockTimeout)
	}
	if c.CloseWait < 0 || c.CloseWait > maxCloseWait || c.CloseWait%time.Second != 0 {
		return inputf("timeout-close-wait-secs %s is not a usable time: want whole seconds, at most %d",
			c.CloseWait, maxCloseWait/time.Second)
	}
	return nil
}

// remarks returns warnings about values that are probably mistakes.
func (c Config) remarks() []string {
	var remarks []string
	say := func(setting, format string, args ...any) {
		remarks = append(remarks, fmt.Sprintf("%s (%s) "+format,
			slices.Concat([]any{setting, c.Sources.Of(setting)}, args)...))
	}
	if c.InboundPort == c.OutboundPort {
		say(settingInboundPort, "and outbound-port (%s) are both %d: the proxy cannot tell the directions apart",
			c.Sources.Of(settingOutboundPort), c.InboundPort)
	}
	if c.ProxyUID == 0 {
		say(settingProxyUID, "is 0: every outbound connection of root bypasses the proxy")
	}
	if c.ProxyGID == 0 {
		say(settingProxyGID, "is 0, which exempts nothing: every process of many images has group 0")
	}
	c.remarkProxyServers(say)
	for _, l := range []struct {
		name  string
		ports PortSet
	}{
		{settingSkipInboundPorts, c.SkipInboundPorts},
		{settingSkipOutboundPorts, c.SkipOutboundPorts},
	} {
		if l.ports.Everything() {
			say(l.name, "covers every port: nothing in this direction reaches the proxy")
		}
	}
	if c.SkipOutboundUIDs.Everything() {
		say(settingSkipOutboundUIDs, "covers every user: nothing in this direction reaches the proxy")
	}
	for _, l := range []struct {
		name    string
		subnets SubnetSet
	}{
		{settingSkipSubnets, c.SkipSubnets},
		{settingSkipOutboundSubnets, c.SkipOutboundSubnets},
	} {
		for _, p := range l.subnets {
			if p.Bits() == 0 {
				say(l.name, "covers every %s address: nothing in this direction reaches the proxy over it", family(p))
			}
		}
	}
	return remarks
}

// remarkProxyServers warns if the proxy's control and admin servers are behind
// the proxy: probes and metrics then depend on its policies.
func (c Config) remarkProxyServers(say func(setting, format string, args ...any)) {
	var redirected PortSet
	for _, port := range []uint16{c.ControlPort, c.AdminPort} {
		listed := len(c.PortsToRedirect) == 0 || c.PortsToRedirect.Contains(port)
		if port != 0 && listed && !c.SkipInboundPorts.Contains(port) {
			redirected = redirected.Union(PortSet{{port, port}})
		}
	}
	if len(redirected) > 0 {
		say(settingSkipInboundPorts, "leaves out %s of the proxy's own control and admin servers: connections to them are redirected to the proxy",
			redirected)
	}
}

func family(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "IPv4"
	}
	return "IPv6"
}
