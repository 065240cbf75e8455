package lint

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"shunt/config"
	"shunt/pods"
)

// check returns what would be right if a key's value is wrong, and nothing if it
// is valid.
func (p *place) check(k pods.Key, value string) (wants string) {
	var err error
	switch k.Format {
	case pods.OneOf:
		wants = "one of " + strings.TrimSuffix(strings.Join(k.Choices, ", "), ", ")
		if !slices.Contains(k.Choices, value) {
			return wants
		}
	case pods.Bool:
		_, err = strconv.ParseBool(value)
		wants = `"true" or "false"`
	case pods.Duration:
		_, err = time.ParseDuration(value)
		wants = `a duration such as "30s" or "500ms"`
	case pods.Seconds:
		_, err = strconv.ParseUint(value, 10, 64)
		wants = `a whole number such as "30"`
	case pods.RouteTime:
		wants = `a whole number with a unit, such as "500ms" or "10s"`
		if value := strings.TrimSpace(value); value != "0" {
			number := strings.TrimRight(value, "mshd")
			if _, err = strconv.ParseUint(number, 10, 64); !slices.Contains([]string{"ms", "s", "m", "h", "d"}, value[len(number):]) {
				err = strconv.ErrSyntax
			}
		}
	case pods.Ratio:
		var r float64
		if r, err = strconv.ParseFloat(value, 64); r <= 0 || r >= 1 {
			err = strconv.ErrRange
		}
		wants = `a number between 0 and 1, such as "0.5"`
	case pods.Quantity:
		err = quantity(value)
		wants = `a quantity such as "100m" or "64Mi"`
	case pods.Environment:
		if !json.Valid([]byte(value)) || !strings.HasPrefix(strings.TrimSpace(value), "[") {
			err = strconv.ErrSyntax
		}
		wants = `a JSON list of environment variables such as [{"name":"A","value":"b"}]`
	case pods.Ports:
		if _, err = config.ParsePorts(strings.TrimSuffix(value, ",")); err != nil {
			wants = err.Error()
		}
	case pods.OpaquePorts:
		_, wants = p.opaque(value)
		return wants
	case aSetting:
		_, err = config.MergeAnnotations(config.Standard(), map[string]string{k.Name: value}, nil, config.ModeInit)
		if err != nil {
			_, wants, _ = strings.Cut(err.Error(), ": ") // the place is known
		}
	}
	if err == nil {
		return ""
	}
	return wants
}

// quantity takes a number with a unit (k8s.io/apimachinery, api/resource): a
// decimal or binary suffix, or a decimal exponent.
func quantity(value string) error {
	number := strings.TrimRight(value, "numkMGTPEi")
	switch value[len(number):] {
	case "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei":
	default:
		return strconv.ErrSyntax
	}
	if strings.ContainsAny(number, "xXpPnNiI_") || len(number) < len(value) && strings.ContainsAny(number, "eE") { // ParseFloat takes more
		return strconv.ErrSyntax
	}
	_, err := strconv.ParseFloat(number, 64)
	return err
}

// opaque reads a list of opaque ports, which may contain names of the pod's or
// of the Service's ports (linkerd2, pkg/util/parsing.go, and
// controller/api/destination/watcher/opaque_ports_watcher.go). Elsewhere every
// name is valid.
func (p *place) opaque(value string) (list config.PortSet, wants string) {
	if strings.TrimSpace(value) == "" {
		return nil, ""
	}
	for _, entry := range strings.Split(strings.TrimSuffix(value, ","), ",") {
		entry = strings.TrimSpace(entry)
		if strings.Trim(entry, "0123456789-") == "" {
			ports, err := config.ParsePorts(entry)
			if err != nil || entry == "" {
				return list, "ports and ranges separated by single commas, such as 3306,4000-4100"
			}
			list = list.Union(ports)
			continue
		}
		port, whose := p.named(entry)
		switch {
		case port != 0:
			list = list.Union(set(port))
		case whose != "":
			return list, "ports, or names of " + whose + " ports (no port is named " + config.Quote(entry) + "), such as 3306,4000-4100"
		}
	}
	return list, ""
}

// named returns the port that a name means, 0 if there is none, and whose ports
// were looked at, empty if the file has none.
func (p *place) named(name string) (port uint16, whose string) {
	switch {
	case p.Pod != nil && len(p.Pod.Containers) > 0:
		port, _ = p.Pod.PortNamed(name)
		return port, "the containers'"
	case p.Service != nil && len(p.Service.Ports) > 0:
		for _, s := range p.Service.Ports {
			if s.Name == name {
				return s.Number, ""
			}
		}
		return 0, "the Service's"
	}
	return 0, ""
}
