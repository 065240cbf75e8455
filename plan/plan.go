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
}

// Rule is one decision: the first rule of a chain whose match holds decides.
type Rule struct {
	Name    string // stable, from the design's rule table: "skip-inbound-ports"
	Reason  string // one sentence for people: why the rule is there
	Match   Match
	Verdict Verdict
}

// Match holds when every field that is set holds.
type Match struct {
	Family       Family         // Any, or one family only
	TCP          bool           // the transport protocol is TCP
	DstPorts     []PortRange    // the destination port is in one of these
	Src          []netip.Prefix // the source address is in one of these
	Dst          []netip.Prefix // the destination address is in one of these
	UID          []IDRange      // the socket's owner has one of these user ids
	GID          []IDRange      // the socket's owner has one of these group ids
	OutInterface string         // the packet leaves by this interface
	DstLocal     bool           // the destination is one of the namespace's own addresses
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

// The verdicts.
const (
	Bypass   VerdictKind = iota // goes where it was going
	Redirect                    // goes to Port on this host
)

// Verdict is what a rule does with what it matches.
type Verdict struct {
	Kind VerdictKind
	Port uint16 // for Redirect
}
