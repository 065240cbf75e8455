// Package plan is the heart of shunt: it turns a configuration into the
// ordered list of decisions that every backend applies, and decides single
// flows by that list. It is pure: no I/O, no clock, the same input gives the
// same bytes.
package plan

import (
	"net/netip"

	"shunt/config"
)

// PortRange is an inclusive range of TCP ports.
type PortRange = config.PortRange

// IDRange is an inclusive range of user or group ids.
type IDRange = config.IDRange

// Plan is the rule set that a configuration asks for.
type Plan struct {
	Inbound  []Rule // at nat prerouting
	Outbound []Rule // at nat output
	IPv6     bool   // for IPv6 too; false: IPv6 is not touched

	// Exception names why the plan is not all that was asked for; it becomes
	// part of the stamp. Empty: there is none.
	Exception string
}

// WithoutIPv6NAT is the exception for a kernel that cannot translate IPv6
// addresses, in a namespace that has none to translate.
const WithoutIPv6NAT = "ipv6-not-supported"

// Rule is one decision: the first rule of a chain whose match holds decides.
type Rule struct {
	Name    string // stable, from the design's rule table: "skip-inbound-ports"
	Reason  string // one sentence for people: why the rule is there
	Match   Match
	Verdict Verdict

	// Stamp is what a live rule says of who wrote it and for which plan (see the
	// function Stamp); empty in a plan and mostly in live rules. It is no part of
	// what a rule means.
	Stamp string

	// Counter is what the kernel counted; nil where nothing was read.
	Counter *Counter
}

// Counter holds a live rule's counts. In a nat chain the kernel counts the
// first packet of each connection only.
type Counter struct {
	Packets, Bytes uint64
}

// Match holds when every field that is set holds.
type Match struct {
	Family        Family         // Any, or one family only
	TCP           bool           // the transport protocol is TCP
	DstPorts      []PortRange    // the destination port is in one of these
	Src           []netip.Prefix // the source address is in one of these
	Dst           []netip.Prefix // the destination address is in one of these
	UID           []IDRange      // the socket's owner has one of these user ids
	GID           []IDRange      // the socket's owner has one of these group ids
	OutInterface  string         // the packet leaves by this interface
	DstLocal      bool           // the destination is one of the namespace's own addresses
	NotUnderstood string         // what a reader could not make sense of; such a rule never equals a planned one
}

// Family is an address family, or Any.
type Family uint8

// The address families a rule can be confined to.
const (
	Any Family = iota
	IPv4
	IPv6
)

// VerdictKind says what happens to a connection.
type VerdictKind uint8

// The verdicts. Jump and Other occur only in live rules and in the hooks that
// lead to shunt's own chains.
const (
	Bypass   VerdictKind = iota // goes where it was going
	Redirect                    // goes to Port on this host
	Jump                        // goes on in Chain
	Other                       // something shunt never writes
)

// Verdict is what a rule does with what it matches.
type Verdict struct {
	Kind  VerdictKind
	Port  uint16 // for Redirect
	Chain string // for Jump
}
