package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"shunt/config"
	"shunt/plan"
)

// Description is a connection as people type it. What is empty is not given.
type Description struct {
	Direction string // "inbound" or "outbound"
	From      string // an address
	To        string // an address and a port, or an address
	Port      string // if To does not say it
	UID, GID  string // 0 if not given
	Proto     string // "tcp", also if not given, or "udp"
}

// FieldError says what is wrong with one field of a Description, in lower case
// as the command line has it: "from", "uid".
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

func field(name, format string, args ...any) error {
	return &FieldError{name, fmt.Errorf(format, args...)}
}

// Question reads the description. The error is a FieldError.
func (d *Description) Question() (*Question, error) {
	q := &Question{}
	switch d.Direction {
	case plan.Inbound.String():
	case plan.Outbound.String():
		q.Direction = plan.Outbound
	default:
		return nil, &FieldError{"direction", errors.New("which direction? want inbound or outbound")}
	}
	for _, id := range []struct {
		name, text string
		to         *uint32
	}{{"uid", d.UID, &q.UID}, {"gid", d.GID, &q.GID}} {
		if id.text == "" {
			continue
		}
		v, err := config.ParseID(id.text)
		if err != nil || v == config.NoID {
			return nil, field(id.name, "%q is not the id of a process: want a number from 0 to %d", id.text, int64(config.MaxID))
		}
		*id.to = uint32(v)
	}
	switch d.Proto {
	case "", "tcp":
	case "udp":
		q.UDP = true
	default:
		return nil, field("proto", "invalid value %q: want tcp or udp", d.Proto)
	}
	if err := d.addresses(q); err != nil {
		return nil, err
	}
	return q, nil
}

func (d *Description) addresses(q *Question) (err error) {
	if d.From != "" {
		if q.From, err = netip.ParseAddr(d.From); err != nil {
			return field("from", "%q is not an address: want one such as 10.1.2.3", d.From)
		}
	}
	port, given := d.Port, "port"
	if d.To != "" {
		host := d.To
		if i := strings.LastIndexByte(host, ':'); port == "" && i >= 0 && (strings.IndexByte(host, ':') == i || host[i-1] == ']') {
			host, port, given = strings.Trim(host[:i], "[]"), host[i+1:], "to"
		}
		if q.To, err = netip.ParseAddr(host); err != nil {
			return field("to", "%q is not an address and a port: want such as 10.0.0.5:3306 or [fd00::5]:3306, or an address and the port by itself; names are not looked up", d.To)
		}
	}
	q.From, q.To = q.From.Unmap(), q.To.Unmap()
	switch {
	case q.Direction == plan.Outbound && !q.To.IsValid():
		return field("to", "where does the connection go? want such as 10.0.0.5:3306")
	case q.From.IsValid() && q.To.IsValid() && q.From.Is4() != q.To.Is4():
		return field("from", "%s is not of the same family as %s, where the connection goes", q.From, q.To)
	case q.Direction == plan.Inbound && q.From.IsLoopback():
		// The connection went through the output hook, and nat looks at a
		// connection once (net/netfilter/nf_nat_core.c, nf_nat_initialized).
		return field("from", "%s never meets the inbound rules, localhost is not redirected: ask for outbound to %[1]s", q.From)
	case port == "":
		return field("port", "which port does the connection go to? want such as 8080")
	}
	if q.Port, err = config.ParsePort(port); err != nil {
		return field(given, "%w", err)
	}
	return nil
}
