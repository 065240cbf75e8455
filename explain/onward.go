package explain

import (
	"fmt"
	"net/netip"

	"shunt/config"
	"shunt/plan"
)

// onward is the proxy's own connection to where a redirected one was going.
type onward struct {
	what string
	rule Rule // that decides it
}

// proxyLeg returns the proxy's own connection for a redirected one, nil if no
// rule decides it. It leaves through the outbound rules, also for one that came
// in: that one's goes by lo, unless the pod forwards it.
func proxyLeg(q *Question, c *config.Config, p *plan.Plan) *onward {
	leg := Question{Direction: plan.Outbound, UID: id(c.ProxyUID), GID: id(c.ProxyGID), To: q.To, Port: q.Port}
	if !leg.To.IsValid() {
		leg.To = netip.IPv4Unspecified()
		if q.From.Is6() {
			leg.To = netip.IPv6Unspecified()
		}
	}
	d := p.Decide(leg.Flow())
	if d.Index < 0 {
		return nil
	}
	who := "user " + number(leg.UID)
	if c.ProxyUID == config.NoID {
		who = "group " + number(leg.GID)
	}
	return &onward{fmt.Sprintf("the proxy's own connection, %s", who), explained(d.Rule, d.Index, true)}
}

// id is a process's id, 0 where none is configured.
func id(v config.ID) uint32 {
	if v == config.NoID {
		return 0
	}
	return uint32(v)
}
