// Package config holds one pod's redirect configuration: what it is, where
// each value came from, and whether it makes sense. It reads flags, files,
// environment variables and annotations; it never looks at the kernel.
package config

import "time"

// The standard values of Linkerd's Helm chart, and the two ports of the proxy
// that must be reachable without it (its control and admin servers).
const (
	StandardInboundPort  = 4143
	StandardOutboundPort = 4140
	StandardControlPort  = 4190
	StandardAdminPort    = 4191
	StandardProxyUID     = 2102
)

// DefaultLockTimeout bounds the wait for another run in the same namespace.
const DefaultLockTimeout = 5 * time.Second

// Config is one pod's redirect configuration. The readers of this package
// return it with merged lists; Validate says whether it is usable.
type Config struct {
	InboundPort  uint16 // where inbound connections are redirected to
	OutboundPort uint16 // where outbound connections are redirected to
	ControlPort  uint16 // the proxy's control server; skipped inbound
	AdminPort    uint16 // the proxy's admin server; skipped inbound

	ProxyUID ID // the proxy's user id, NoID for none
	ProxyGID ID // the proxy's group id, NoID for none

	PortsToRedirect     PortSet   // inbound ports to redirect; empty: all
	SkipInboundPorts    PortSet   // inbound destination ports that bypass the proxy
	SkipOutboundPorts   PortSet   // outbound destination ports that bypass the proxy
	SkipSubnets         SubnetSet // inbound source addresses that bypass the proxy
	SkipOutboundSubnets SubnetSet // outbound destination addresses that bypass the proxy
	SkipOutboundUIDs    IDSet     // socket owners whose outbound traffic bypasses the proxy
	InboundLocalOnly    bool      // confine inbound rules to the pod's own addresses
	IPv6                bool      // write rules for IPv6 too; false: IPv6 is not touched

	Backend      string        // auto, nftables or iptables
	IptablesMode string        // auto, legacy, nft or plain
	Fallback     bool          // an iptables mode whose binaries are missing, and no Backend: take nftables, as Linkerd falls back
	LockTimeout  time.Duration // bound on the wait for the namespace's lock and for xtables' lock
	CloseWait    time.Duration // nf_conntrack_tcp_timeout_close_wait, whole seconds; 0: left alone

	// Sources says for each setting, by its name, where its value came from.
	Sources Sources
	// Warnings are about values that are accepted but are probably mistakes.
	Warnings []string
}
