package plan

import "net/netip"

// Direction says which way a connection goes, seen from the pod.
type Direction uint8

// The two directions.
const (
	Inbound  Direction = iota // nat prerouting
	Outbound                  // nat output
)

func (d Direction) String() string {
	if d == Outbound {
		return "outbound"
	}
	return "inbound"
}

// Flow is the first packet of one connection, as the nat hooks see it: before
// any address was translated.
type Flow struct {
	Direction Direction
	TCP       bool // false: another protocol, which no rule redirects
	Src       netip.Addr
	Dst       netip.AddrPort

	// For outbound flows: who owns the socket, and where the packet leaves.
	UID, GID     uint32
	OutInterface string

	// For inbound flows: the destination is one of the namespace's own
	// addresses; false for traffic that the namespace forwards.
	DstLocal bool
}

// Decision says what a rule set does with a flow.
type Decision struct {
	Index   int // of the deciding rule in its chain; -1: none matched
	Rule    Rule
	Verdict Verdict
}

// Decide returns the decision for one flow: that of the first rule that
// matches, or a bypass if none does. It decides by the rules alone; whether
// anything listens at a redirect's port is not checked.
func (p Plan) Decide(f Flow) Decision {
	if !p.IPv6 && f.Dst.Addr().Unmap().Is6() {
		return Decision{Index: -1}
	}
	rules := p.Inbound
	if f.Direction == Outbound {
		rules = p.Outbound
	}
	for i, r := range rules {
		if r.Match.Holds(f) {
			return Decision{Index: i, Rule: r, Verdict: r.Verdict}
		}
	}
	return Decision{Index: -1}
}

// Holds reports whether the match holds for a flow.
func (m Match) Holds(f Flow) bool {
	src, dst := f.Src.Unmap(), f.Dst.Addr().Unmap()
	switch {
	case m.Family == IPv4 && !dst.Is4(),
		m.Family == IPv6 && !dst.Is6(),
		m.TCP && !f.TCP,
		len(m.DstPorts) > 0 && !portIn(m.DstPorts, f),
		len(m.Src) > 0 && !addrIn(m.Src, src),
		len(m.Dst) > 0 && !addrIn(m.Dst, dst),
		len(m.UID) > 0 && !idIn(m.UID, f, f.UID),
		len(m.GID) > 0 && !idIn(m.GID, f, f.GID),
		m.OutInterface != "" && m.OutInterface != f.OutInterface,
		m.DstLocal && !f.DstLocal:
		return false
	}
	return true
}

// A destination port is TCP's in every rule of ours.
func portIn(ranges []PortRange, f Flow) bool {
	for _, r := range ranges {
		if f.TCP && r.First <= f.Dst.Port() && f.Dst.Port() <= r.Last {
			return true
		}
	}
	return false
}

func addrIn(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Only a packet that this host sends has a socket, and so an owner.
func idIn(ranges []IDRange, f Flow, id uint32) bool {
	for _, r := range ranges {
		if f.Direction == Outbound && r.First <= id && id <= r.Last {
			return true
		}
	}
	return false
}
