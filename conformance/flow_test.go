package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// place is where a connection comes from or goes to.
type place int

const (
	client place = iota
	pod
	server
	behind   // what the pod forwards to
	loopback // the pod, at 127.0.0.1 and ::1
)

func (p place) String() string {
	return [...]string{"client", "pod", "server", "behind", "loopback"}[p]
}

// want is what should become of a connection.
type want int

const (
	redirected want = iota // the proxy gets it, and learns where it was going
	bypassed               // the application that it was going to gets it
	toProxy                // it was going to a port of the proxy's, and gets there
	refused                // it was going where nobody listens
)

func (w want) String() string {
	return [...]string{"redirected", "bypassed", "to the proxy", "refused"}[w]
}

// flow is a connection, over IPv4 and over IPv6, and what should become of it.
type flow struct {
	from, to place
	port     uint16
	udp      bool
	uid, gid uint32
	src, dst netip.Addr // one of the places' further addresses; it decides the family
	want     want
}

func (f flow) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v to %v:%d", f.from, f.to, f.port)
	if f.udp {
		b.WriteString(" by UDP")
	}
	if f.uid != 0 || f.gid != 0 {
		fmt.Fprintf(&b, " as %d:%d", f.uid, f.gid)
	}
	if f.src.IsValid() {
		fmt.Fprintf(&b, " from %v", f.src)
	}
	return b.String()
}

// answer returns what the connection is answered with. Rules that do not cover
// its family bypass it.
func (f flow) answer(dst netip.AddrPort, covered bool) string {
	switch {
	case f.want == refused:
		return "refused"
	case f.want == toProxy:
		seen := dst.String()
		if !covered {
			seen = "none" // without a rule, the kernel tracks no connection
		}
		return "proxy " + map[bool]string{true: "outbound ", false: "inbound "}[f.port == outboundPort] + seen
	case f.want == redirected && covered && f.from == pod:
		return "proxy outbound " + dst.String()
	case f.want == redirected && covered:
		return "proxy inbound " + dst.String()
	case dst.Port() == 0:
		return "refused" // an application cannot listen there
	}
	return "app " + dst.String()
}

// flows are built by the functions below: inbound(redirected, 80, 443).
type flows []flow

// inbound flows come from the client to the pod.
func inbound(w want, ports ...uint16) flows { return between(client, pod, w, ports...) }

// outbound flows go from the pod to the server.
func outbound(w want, ports ...uint16) flows { return between(pod, server, w, ports...) }

func between(from, to place, w want, ports ...uint16) flows {
	var fs flows
	for _, p := range ports {
		fs = append(fs, flow{from: from, to: to, port: p, want: w})
	}
	return fs
}

// as returns the flows as connections of a user and group.
func (fs flows) as(uid, gid uint32) flows {
	return fs.each(func(f *flow) { f.uid, f.gid = uid, gid })
}

// by returns the flows from a further address of their origin.
func (fs flows) by(addr string) flows {
	return fs.each(func(f *flow) { f.src = netip.MustParseAddr(addr) })
}

// at returns the flows to a further address of their destination.
func (fs flows) at(addr string) flows {
	return fs.each(func(f *flow) { f.dst = netip.MustParseAddr(addr) })
}

// overUDP returns the flows as datagrams.
func (fs flows) overUDP() flows { return fs.each(func(f *flow) { f.udp = true }) }

func (fs flows) each(change func(*flow)) flows {
	changed := slices.Clone(fs)
	for i := range changed {
		change(&changed[i])
	}
	return changed
}

func all(parts ...flows) flows { return slices.Concat(parts...) }

func isErrno(err error, errno unix.Errno) bool { return errors.Is(err, errno) }
