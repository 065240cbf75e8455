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
		{redirected && in && !d.Rule.Match.DstLocal, "What the pod forwards (docker-in-docker) is redirected too, unless inbound-local-only is true."},
		{redirected && !in || rule == "skip-outbound-ports", "Skip ports are matched before a Service's address is translated: the Service's port counts, not the container's."},
		{rule == "loopback", "localhost, and every other address of the pod's own, is never redirected."},
		{rule == "proxy-uid" || rule == "proxy-gid", "This is a connection of the proxy itself: redirected, it would come back to it for ever."},
		{rule == "skip-inbound-ports", "Meshed clients still speak mutual TLS to a port that is skipped inbound, unless they skip it outbound too; the proxy's own servers, on its control and admin port, answer it themselves."},
	} {
		if h.when {
			e.Hints = append(e.Hints, h.text)
		}
	}
}
