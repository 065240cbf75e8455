package explain

import "shunt/plan"

// Interface is an interface that is up in a live namespace, and whether it has
// an address that a redirect can land on (net/netfilter/nf_nat_redirect.c):
// of lo 127.0.0.1, even as part of a subnet, and ::1, of others any of IPv4 and any
// of IPv6 that is not link-local.
type Interface struct {
	Name       string
	Loopback   bool
	IPv4, IPv6 bool
}

// landing says where a redirect would find no address to land on: of what is
// known of the interfaces, or, where nothing is, in general.
func (e *Explanation) landing(q *Question, d *plan.Decision) {
	if d.Verdict.Kind != plan.Redirect {
		return
	}
	six := q.From.Is6() || q.To.Is6()
	family, loopback := "IPv4", "127.0.0.1"
	if six {
		family, loopback = "IPv6", "::1"
	}
	in := q.Direction == plan.Inbound
	if e.interfaces == nil {
		switch {
		case in:
			e.Hints = append(e.Hints, "A redirect needs an address to land on: on an interface without an "+family+" address the connection times out.")
		case six:
			e.Hints = append(e.Hints, "Redirected IPv6 connections go to ::1: without it on lo they time out.")
		}
		return
	}
	lo := false
	for _, i := range e.interfaces {
		has := i.IPv4
		if six {
			has = i.IPv6
		}
		lo = lo || i.Loopback && has
		if in && !i.Loopback && !has {
			e.Hints = append(e.Hints, "A redirect needs an address to land on: "+i.Name+" has no "+family+" address, so connections that come in by it time out.")
		}
	}
	if !in && !lo {
		e.Hints = append(e.Hints, "Redirected "+family+" connections go to "+loopback+": here lo is down or has no such address, so they time out.")
	}
}
