package explain

import "shunt/plan"

// hint adds what people get wrong about connections like this one.
func (e *Explanation) hint(q *Question, d *plan.Decision) {
	rule := d.Rule.Name
	redirected, in := d.Verdict.Kind == plan.Redirect, q.Direction == plan.Inbound
	for _, h := range []struct {
		when bool
		text string
	}{
		{redirected && in && !d.Rule.Match.DstLocal, "Connections that the pod forwards (docker-in-docker) are redirected too, unless inbound-local-only is true."},
		{redirected && !in || rule == "skip-outbound-ports", "Skip ports are matched before a Service's address is translated: use the Service's port, not the container's."},
		{rule == "loopback", "Connections to localhost and to the pod's own addresses are never redirected."},
		{rule == "proxy-uid" || rule == "proxy-gid", "This is the proxy's own connection: redirected, it would loop back to the proxy forever."},
		{rule == "skip-inbound-ports", "Meshed clients still speak mutual TLS to a port that is skipped inbound, unless they skip it outbound too; the proxy's own servers, on its control and admin port, answer it themselves."},
	} {
		if h.when {
			e.Hints = append(e.Hints, h.text)
		}
	}
}
