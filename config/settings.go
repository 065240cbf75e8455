package config

import "strings"

// The names of settings that the code below refers to.
const (
	settingInboundPort         = "inbound-port"
	settingOutboundPort        = "outbound-port"
	settingControlPort         = "control-port"
	settingAdminPort           = "admin-port"
	settingProxyUID            = "proxy-uid"
	settingProxyGID            = "proxy-gid"
	settingSkipInboundPorts    = "skip-inbound-ports"
	settingSkipOutboundPorts   = "skip-outbound-ports"
	settingSkipPorts           = "skip-ports"
	settingSkipSubnets         = "skip-subnets"
	settingSkipOutboundSubnets = "skip-outbound-subnets"
	settingSkipOutboundUIDs    = "skip-outbound-uids"
	settingBackend             = "backend"
	settingIptablesMode        = "iptables-mode"
	settingLockTimeout         = "lock-timeout"
	settingCloseWait           = "timeout-close-wait-secs"
)

// Kind says what a setting's value is.
type Kind int

// The kinds of settings.
const (
	KindPort     Kind = iota // one port, 1 to 65535
	KindID                   // one user or group id, -1 for none
	KindPorts                // a list of ports and ranges
	KindSubnets              // a list of subnets and addresses
	KindIDs                  // a list of user ids and ranges
	KindBool                 // true or false
	KindChoice               // one of Setting.Choices
	KindDuration             // more than zero, such as 5s
	KindSeconds              // whole seconds, 0 or more
)

// isList reports whether several values of the kind make one list.
func (k Kind) isList() bool { return k == KindPorts || k == KindSubnets || k == KindIDs }

// String returns a word for the value, for --help.
func (k Kind) String() string {
	switch k {
	case KindPort:
		return "port"
	case KindID:
		return "id"
	case KindPorts:
		return "ports"
	case KindSubnets:
		return "subnets"
	case KindIDs:
		return "ids"
	case KindBool:
		return "bool"
	case KindDuration:
		return "duration"
	case KindSeconds:
		return "seconds"
	}
	return "choice"
}

// Setting is one setting, however it is given: by a flag, a file's key, an
// environment variable, a network configuration or an annotation.
type Setting struct {
	Name      string   // of the flag and of the key in files, and in Config.Sources
	Linkerd   string   // Linkerd's name of the flag and key; empty if it is the same or there is none
	Shorthand string   // Linkerd's one-letter flag
	Kind      Kind     // what its value is
	Choices   []string // for KindChoice
	Help      string   // one line

	// AddsTo names the settings, before this one in the table, to which its
	// value is added, once they have theirs; it has no value of its own.
	AddsTo []string
	// NotCNI means that a network configuration (CNI) has no key for it, as
	// linkerd-cni has none.
	NotCNI bool

	// Annotation is the key that gives the setting on a pod, or, if the pod does
	// not have it, on its namespace; empty: there is none. It replaces the
	// configured value.
	Annotation string
	PodOnly    bool // the namespace's annotation does not count
	AddsInCNI  bool // under ModeCNI, a list that is not empty is added to the configured one

	// field returns a pointer to the setting's field; nil with AddsTo.
	field func(*Config) any
}

// Settings returns every setting in the order of --help. It builds the table
// on every call: a process that does not need it does not pay for it.
func Settings() []Setting {
	return []Setting{
		{Name: settingInboundPort, Linkerd: "incoming-proxy-port", Shorthand: "p", Kind: KindPort,
			Help:       "redirect inbound connections to this port of the proxy",
			Annotation: "config.linkerd.io/inbound-port",
			field:      func(c *Config) any { return &c.InboundPort }},
		{Name: settingOutboundPort, Linkerd: "outgoing-proxy-port", Shorthand: "o", Kind: KindPort,
			Help:       "redirect outbound connections to this port of the proxy",
			Annotation: "config.linkerd.io/outbound-port",
			field:      func(c *Config) any { return &c.OutboundPort }},
		{Name: settingControlPort, Kind: KindPort,
			Help:       "the proxy's control server, which must be reachable without the proxy",
			Annotation: "config.linkerd.io/control-port",
			field:      func(c *Config) any { return &c.ControlPort }},
		{Name: settingAdminPort, Kind: KindPort,
			Help:       "the proxy's admin server, which must be reachable without the proxy",
			Annotation: "config.linkerd.io/admin-port",
			field:      func(c *Config) any { return &c.AdminPort }},
		{Name: settingProxyUID, Shorthand: "u", Kind: KindID,
			Help:       "user id of the proxy, whose own connections are not redirected; -1 for none",
			Annotation: "config.linkerd.io/proxy-uid",
			field:      func(c *Config) any { return &c.ProxyUID }},
		{Name: settingProxyGID, Shorthand: "g", Kind: KindID,
			Help:       "group id of the proxy, whose own connections are not redirected; -1 for none",
			Annotation: "config.linkerd.io/proxy-gid",
			field:      func(c *Config) any { return &c.ProxyGID }},
		{Name: "ports-to-redirect", Shorthand: "r", Kind: KindPorts,
			Help:  "redirect only these inbound ports; empty for all",
			field: func(c *Config) any { return &c.PortsToRedirect }},
		{Name: settingSkipInboundPorts, Linkerd: "inbound-ports-to-ignore", Kind: KindPorts,
			Help:       "inbound connections to these ports bypass the proxy",
			Annotation: "config.linkerd.io/skip-inbound-ports", AddsInCNI: true,
			field: func(c *Config) any { return &c.SkipInboundPorts }},
		{Name: settingSkipOutboundPorts, Linkerd: "outbound-ports-to-ignore", Kind: KindPorts,
			Help:       "outbound connections to these ports bypass the proxy",
			Annotation: "config.linkerd.io/skip-outbound-ports",
			field:      func(c *Config) any { return &c.SkipOutboundPorts }},
		{Name: settingSkipPorts, Kind: KindPorts,
			Help:   "add these ports to both skip lists",
			AddsTo: []string{settingSkipInboundPorts, settingSkipOutboundPorts}, NotCNI: true,
			Annotation: "linkerd.io/skip-ports", PodOnly: true},
		{Name: settingSkipSubnets, Linkerd: "subnets-to-ignore", Kind: KindSubnets,
			Help:       "inbound connections from these addresses bypass the proxy",
			Annotation: "config.linkerd.io/skip-subnets",
			field:      func(c *Config) any { return &c.SkipSubnets }},
		{Name: settingSkipOutboundSubnets, Kind: KindSubnets,
			Help:       "outbound connections to these addresses bypass the proxy",
			Annotation: "shunt/skip-outbound-subnets",
			field:      func(c *Config) any { return &c.SkipOutboundSubnets }},
		{Name: settingSkipOutboundUIDs, Kind: KindIDs,
			Help:       "outbound connections of these users bypass the proxy",
			Annotation: "shunt/skip-outbound-uids",
			field:      func(c *Config) any { return &c.SkipOutboundUIDs }},
		{Name: "inbound-local-only", Kind: KindBool,
			Help:  "redirect inbound connections to the pod's own addresses only, not what it forwards",
			field: func(c *Config) any { return &c.InboundLocalOnly }},
		{Name: "ipv6", Kind: KindBool,
			Help:  "write rules for IPv6 too",
			field: func(c *Config) any { return &c.IPv6 }},
		{Name: settingBackend, Kind: KindChoice, Choices: backends(),
			Help:  "what holds the rules in the kernel",
			field: func(c *Config) any { return &c.Backend }},
		{Name: settingIptablesMode, Kind: KindChoice, Choices: iptablesModes(),
			Help:  "variant of iptables; without --backend iptables, nft means the nftables backend",
			field: func(c *Config) any { return &c.IptablesMode }},
		{Name: settingLockTimeout, Kind: KindDuration,
			Help:  "how long to wait for another run in the same namespace",
			field: func(c *Config) any { return &c.LockTimeout }},
		{Name: settingCloseWait, Kind: KindSeconds,
			Help:   "set nf_conntrack_tcp_timeout_close_wait to this; 0 leaves it alone",
			NotCNI: true,
			field:  func(c *Config) any { return &c.CloseWait }},
	}
}

// Find returns the setting that name, shunt's or Linkerd's, stands for.
func Find(settings []Setting, name string) (Setting, bool) {
	i := find(settings, name)
	if i < 0 {
		return Setting{}, false
	}
	return settings[i], true
}

// find is Find by index, -1 for an unknown name.
func find(settings []Setting, name string) int {
	for i, s := range settings {
		if name != "" && (s.Name == name || s.Linkerd == name) {
			return i
		}
	}
	return -1
}

// Env returns the name of the setting's environment variable.
func (s Setting) Env() string {
	return "SHUNT_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// wants describes a valid value, for errors.
func (s Setting) wants() string {
	switch s.Kind {
	case KindPort:
		return "a port from 1 to 65535"
	case KindID:
		return "a number, or -1 for none"
	case KindPorts:
		return "ports and ranges such as [80, 4000-4100], [] for none"
	case KindSubnets:
		return "subnets such as [10.0.0.0/8, fd00::/8], [] for none"
	case KindIDs:
		return "user ids and ranges such as [0, 1000-1999], [] for none"
	case KindBool:
		return "true or false"
	case KindDuration:
		return "a duration such as 5s or 500ms"
	case KindSeconds:
		return "whole seconds, 0 or more"
	}
	return oneOf(s.Choices)
}
