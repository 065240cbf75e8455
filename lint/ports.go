package lint

import (
	"fmt"
	"slices"
	"strings"

	"shunt/config"
	"shunt/manifest"
	"shunt/pods"
)

// ports checks the port lists of an injected workload against each other and
// against what its containers expose.
func (l *linter) ports(pod *place, c *config.Config) {
	if _, err := c.Validate(); err != nil {
		l.add(invalidValue, pod.Object, 0, pod.at, err.Error(), "values that do not contradict each other")
		return
	}
	l.skipLists(pod, c)
	l.opaque(pod, c)
	l.unexposed(pod, c)
	l.speakers(pod, c)
	l.leading(pod, c)
	l.outbound(pod)
	l.clientOf(pod, c)
	l.ingress(pod, c)
	l.skipPorts(pod)
}

// merged returns the configuration that a place's annotations make of base,
// without those that are wrong, which have findings of their own.
func (l *linter) merged(base config.Config, p *place, ns *manifest.Object) *config.Config {
	lists := [2]map[string]string{}
	for i, from := range []*place{p, {Object: ns}} {
		if i > 0 && ns != nil {
			from.list = ns.Annotations
		}
		lists[i] = from.list.Values()
		for key, value := range lists[i] {
			if k := l.known[key]; k.Format != aSetting || from.check(k, value) != "" {
				delete(lists[i], key)
			}
		}
	}
	c, err := config.MergeAnnotations(base, lists[0], lists[1], config.ModeInit)
	if err != nil { // it was checked
		return &base
	}
	return &c
}

// skipLists checks each skip list by itself: it should cover neither
// everything nor the proxy's own ports.
func (l *linter) skipLists(p *place, c *config.Config) {
	proxy := set(c.InboundPort, c.OutboundPort)
	own := set(c.InboundPort, c.OutboundPort, c.ControlPort, c.AdminPort)
	for _, key := range []string{skipInboundKey, skipOutboundKey, skipBothKey} {
		list, err := config.ParsePorts(p.list[key].Value)
		covered := overlap(list, own)
		switch {
		case err != nil || len(covered) == 0:
		case list.Everything():
			l.report(skipEverything, p, key, "the list covers every port: no connection in this direction reaches the proxy",
				"only the ports to skip, or linkerd.io/inject: disabled")
		case key == skipInboundKey && len(overlap(list, proxy)) == 0:
			l.report(redundantSkip, p, key, fmt.Sprintf("the proxy's control and admin ports (%s) are always skipped inbound", covered),
				"the list without them")
		default:
			l.report(skipProxyPort, p, key, fmt.Sprintf("the list covers the proxy's own ports (%s), where no application listens", covered),
				"the list without them; split a range that covers them")
		}
	}
}

// opaque compares what an annotation says is opaque with what is skipped.
func (l *linter) opaque(pod *place, c *config.Config) {
	a, in := l.set.Annotation(pod.Object, pods.Opaque)
	if in == nil {
		return
	}
	p := pod
	if in != pod.Object {
		p = &place{in, "metadata.annotations", in.Annotations, onNamespace}
	}
	list, _ := pod.opaque(a.Value)
	if both := overlap(list, c.SkipInboundPorts); len(both) > 0 {
		l.report(opaqueAndSkipped, p, pods.Opaque,
			fmt.Sprintf("port %s is opaque here, but also skipped inbound (%s): skipping wins", both, c.Sources.Of("skip-inbound-ports")),
			"one of the two: opaque keeps mutual TLS and metrics, skipping bypasses the proxy")
	}
	// Opaque is about what comes in. A client that skips the port outbound and
	// does not serve it has probably taken it for the other direction.
	if both := without(overlap(list, c.SkipOutboundPorts), pod.Pod.Ports().Union(c.SkipInboundPorts)); len(both) > 0 {
		l.report(opaqueAndSkipped, p, pods.Opaque,
			fmt.Sprintf("port %s is opaque here, but skipped outbound (%s), and no container exposes it: opaque-ports is about inbound connections", both, c.Sources.Of("skip-outbound-ports")),
			pods.Opaque+" on the server's pods and Service if the server is in the cluster, and no skipping; skipping alone if it is outside")
	}
}

// unexposed looks for inbound skip ports that nothing listens on. A
// namespace's list is for all of its pods, so only the pod's own counts.
func (l *linter) unexposed(pod *place, c *config.Config) {
	exposed := pod.Pod.Ports()
	if len(exposed) == 0 {
		return // nothing is said of ports, or an operator adds the containers
	}
	for _, key := range []string{skipInboundKey, skipBothKey} {
		list, err := config.ParsePorts(pod.list[key].Value)
		if err != nil || list.Everything() {
			continue // findings of their own
		}
		for _, text := range strings.Split(pod.list[key].Value, ",") {
			entry, _ := config.ParsePorts(text) // as it is written, not merged
			if len(overlap(entry, exposed)) > 0 || len(without(entry, set(c.ControlPort, c.AdminPort))) == 0 {
				continue
			}
			message := "no container exposes port " + entry.String() + ", which is skipped inbound"
			if key == skipInboundKey {
				l.report(skipUnexposedPort, pod, key, message, "a port that is exposed ("+exposed.String()+"), or add this one to the container's ports")
			} else { // it may be meant for the other direction
				l.report(redundantSkip, pod, key, message, written(skipOutboundKey, entry.String())+", if it is about connections that the pod makes")
			}
		}
	}
}

// speakers looks for exposed ports on which protocol detection stalls: those
// for which Linkerd's documentation asks for a decision ("Protocol
// Detection"), because the server speaks first, or the client does not begin
// with anything that tells its protocol.
func (l *linter) speakers(pod *place, c *config.Config) {
	// An annotation replaces the default list: what the pod has of that must
	// be named again.
	mark := l.opaqueOf(pod.Object)
	var declared config.PortSet
	for _, s := range l.facts(pod.Object).servers {
		declared = declared.Union(set(s.Server.Port(pod.Pod)))
	}
	type stalled struct {
		port uint16
		why  string
	}
	var list []stalled
	for _, container := range pod.Pod.Containers {
		for _, p := range container.Ports {
			if opaque, _ := l.podOpaque(pod.Object, p.Number); opaque || declared.Contains(p.Number) || c.SkipInboundPorts.Contains(p.Number) {
				continue
			}
			if why := protocol(p, container.Image); why != "" {
				list = append(list, stalled{p.Number, why})
				mark = mark.Union(set(p.Number))
			}
		}
	}
	for _, s := range list {
		l.report(serverSpeaksFirst, pod, pods.Opaque,
			fmt.Sprintf("port %d (%s) is exposed, but neither opaque nor skipped: the proxy cannot detect the protocol from the client's first bytes", s.port, s.why),
			"nothing if connections begin with TLS; for clients in the cluster "+written(pods.Opaque, mark.String())+
				" here and on the Service, which keeps mutual TLS and metrics; for a server outside the cluster "+skipOutboundKey+" on its clients")
	}
}

// speaks reports whether the protocol of one of the pod's ports cannot be
// detected.
func (p *place) speaks(port uint16) bool {
	for _, c := range p.Pod.Containers {
		for _, at := range c.Ports {
			if at.Number == port && protocol(at, c.Image) != "" {
				return true
			}
		}
	}
	return false
}

// protocol returns the protocol of a port that cannot be detected, and how it
// is known: by the port's number or name, or by the image of a database whose
// port has no name or one that says nothing.
func protocol(p manifest.ContainerPort, image string) string {
	name := strings.ToLower(p.Name)
	for _, other := range []string{"grpc", "http", "metrics", "web"} {
		if strings.HasPrefix(name, other) {
			return ""
		}
	}
	for _, s := range speakers() {
		if slices.Contains(s.ports, p.Number) {
			return s.protocol
		}
	}
	for _, s := range speakers() {
		if slices.ContainsFunc(s.words, func(word string) bool {
			return name == word || strings.HasPrefix(name, word+"-") || strings.HasSuffix(name, "-"+word)
		}) {
			return s.protocol + byName
		}
	}
	if !slices.Contains([]string{"", "client", "database", "db", "server", "sql", "tcp"}, name) {
		return "" // metrics, admin
	}
	for _, s := range speakers() {
		if slices.Contains(s.images, software(image)) {
			return s.protocol + ", by the image"
		}
	}
	return ""
}

// byName says that a protocol is known by the name of its port.
const byName = ", by the port's name"

// software returns the last part of an image's name: "mysql" of
// "docker.io/library/mysql:8".
func software(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	name, _, _ = strings.Cut(name, "@")
	return name
}

// speaker is a protocol that cannot be detected, with its well-known ports and
// the names that ports and images have for it.
type speaker struct {
	protocol      string
	ports         []uint16
	words, images []string
}

// speakers returns the protocols of which Linkerd's documentation says so
// ("TCP Proxying and Protocol Detection"; 8222 of NATS is HTTP, and left out),
// and others in which the client waits for the server's greeting: FTP (RFC 959,
// section 5.4), POP3 (RFC 1939, section 4), IMAP (RFC 3501, section 7.1.5).
func speakers() []speaker {
	return []speaker{
		{"SMTP", []uint16{25, 587}, []string{"smtp", "submission"}, []string{"exim4", "postfix", "smtp"}},
		{"MySQL", []uint16{3306}, []string{"mysql", "mariadb"}, []string{"mysql", "mysql-server", "mariadb", "mariadb-galera", "percona", "percona-server"}},
		{"Galera", []uint16{4444, 4567, 4568}, []string{"galera"}, nil},
		{"PostgreSQL", []uint16{5432}, []string{"postgres", "postgresql"}, []string{"pgbouncer", "postgis", "postgres", "postgresql", "timescaledb"}},
		{"Redis", []uint16{6379}, []string{"redis", "valkey"}, []string{"keydb", "redis", "redis-sentinel", "valkey"}},
		{"Elasticsearch", []uint16{9300}, nil, nil},
		{"Memcached", []uint16{11211}, []string{"memcached", "memcache"}, []string{"memcached"}},
		{"NATS", []uint16{4222, 6222}, []string{"nats"}, nil},
		{"FTP", []uint16{21}, []string{"ftp"}, []string{"pure-ftpd", "vsftpd"}},
		{"POP3", []uint16{110}, []string{"pop3"}, nil},
		{"IMAP", []uint16{143}, []string{"imap"}, nil},
	}
}
