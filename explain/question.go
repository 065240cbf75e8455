// Package explain says what happens to one connection, and why: which rule
// decides it, where it lands, and which setting would change that. It asks
// package plan and the rules that it is given; it never looks at the kernel.
package explain

import (
	"fmt"
	"net/netip"

	"shunt/plan"
)

// Question is one connection as a person describes it. Addresses that are not
// given are invalid.
type Question struct {
	Direction plan.Direction
	UDP       bool

	From netip.Addr // where it comes from; outbound: the pod's address
	To   netip.Addr // where it goes; inbound: an address other than the pod's own, which the pod forwards
	Port uint16     // where it goes

	UID, GID uint32 // of the process that connects, outbound
}

// Flow returns the connection's first packet as the nat hooks see it. Without
// any address it is one over IPv4.
func (q *Question) Flow() plan.Flow {
	f := plan.Flow{Direction: q.Direction, TCP: !q.UDP, Src: q.From, UID: q.UID, GID: q.GID}
	to := q.To
	if q.Direction == plan.Inbound {
		f.DstLocal = !to.IsValid()
		switch {
		case to.IsValid():
		case f.Src.Is6():
			to = netip.IPv6Unspecified()
		default:
			to = netip.IPv4Unspecified()
		}
	} else if to.IsLoopback() || to.IsUnspecified() || to == q.From {
		// Every address of the namespace itself is reached by way of lo, and
		// connecting to the unspecified address is connecting to localhost.
		f.OutInterface = plan.Loopback
	}
	f.Dst = netip.AddrPortFrom(to, q.Port)
	return f
}

// String describes the connection.
func (q *Question) String() string {
	what := "TCP connection"
	if q.UDP {
		what = "UDP flow"
	}
	if q.Direction == plan.Outbound {
		return fmt.Sprintf("outbound %s of user %d, group %d, to %s", what, q.UID, q.GID, q.destination())
	}
	to := q.destination()
	if q.To.IsValid() {
		to += ", which the pod forwards"
	}
	return fmt.Sprintf("inbound %s from %s to %s", what, q.source(), to)
}

// source says where an inbound connection comes from.
func (q *Question) source() string {
	if q.From.IsValid() {
		return q.From.String()
	}
	return "an address on no list"
}

// destination says where the connection was going.
func (q *Question) destination() string {
	if q.To.IsValid() {
		return netip.AddrPortFrom(q.To, q.Port).String()
	}
	return fmt.Sprintf("the pod's port %d", q.Port)
}
