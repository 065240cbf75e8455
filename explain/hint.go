package explain

import (
	"strings"

	"shunt/config"
	"shunt/plan"
)

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
		{rule == "skip-inbound-ports" && e.plainText, "Meshed clients do not use mutual TLS to this port: Linkerd's destination service reads the annotation, and withholds the pod's identity for its ports."},
		{rule == "skip-inbound-ports" && !e.plainText, "Linkerd's destination service does not know that this port is skipped, as it reads one annotation only (skip-inbound-ports): before Linkerd 2.18, meshed clients speak mutual TLS to it, since then they connect to the proxy's inbound port instead; the proxy's own servers, on its control and admin port, answer it themselves."},
	} {
		if h.when {
			e.Hints = append(e.Hints, h.text)
		}
	}
}

// withheld reports whether Linkerd's destination service tells meshed clients
// that a port is skipped inbound. It knows the ports of one annotation, and of
// nothing else that skips ports; the proxy's own servers have an identity.
func withheld(c *config.Config, port uint16) bool {
	list, _, _ := strings.Cut(string(c.Sources.Of("skip-inbound-ports")), " + control-port")
	list, _, _ = strings.Cut(list, " + admin-port")
	_, key, ok := strings.Cut(list, " annotation ")
	return ok && key == "config.linkerd.io/skip-inbound-ports" && !strings.HasPrefix(list, "default") &&
		port != c.ControlPort && port != c.AdminPort
}
