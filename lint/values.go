package lint

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"shunt/config"
)

// check returns what would be right if a value of a kind is wrong, and nothing
// if it can stand. The kinds are those that known lists.
func (p *place) check(kind, key, value string) (wants string) {
	var err error
	switch kind {
	case "any":
	case "bool":
		_, err = strconv.ParseBool(value)
		wants = `"true" or "false"`
	case "duration":
		_, err = time.ParseDuration(value)
		wants = `a duration such as "30s" or "500ms"`
	case "seconds":
		_, err = strconv.ParseUint(value, 10, 64)
		wants = `whole seconds such as "30"`
	case "ratio":
		var r float64
		if r, err = strconv.ParseFloat(value, 64); r <= 0 || r >= 1 {
			err = strconv.ErrRange
		}
		wants = `a number between 0 and 1, such as "0.5"`
	case "quantity":
		err = quantity(value)
		wants = `a quantity such as "100m" or "64Mi"`
	case "json":
		if !json.Valid([]byte(value)) || !strings.HasPrefix(strings.TrimSpace(value), "[") {
			err = strconv.ErrSyntax
		}
		wants = `a JSON list of environment variables such as [{"name":"A","value":"b"}]`
	case "ports":
		if _, err = config.ParsePorts(strings.TrimSuffix(value, ",")); err != nil {
			wants = err.Error()
		}
	case "opaque":
		_, wants = p.opaque(value)
		return wants
	case "setting":
		_, err = config.MergeAnnotations(config.Standard(), map[string]string{key: value}, nil, config.ModeInit)
		if err != nil {
			_, wants, _ = strings.Cut(err.Error(), ": ") // after where it stands
		}
	default:
		choices := "|" + kind + "|"
		if strings.ContainsRune(value, '|') || !strings.Contains(choices, "|"+value+"|") {
			return "one of " + strings.ReplaceAll(strings.TrimSuffix(kind, "|"), "|", ", ")
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

// opaque reads a list of opaque ports, in which a pod's ports may stand by
// their names (linkerd2, pkg/util/parsing.go). Where no pod is known, every
// name is taken for one.
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
		if p.Pod == nil {
			continue
		}
		port, ok := p.Pod.PortNamed(entry)
		if !ok {
			return list, "ports, or names of the containers' ports, which " + config.Quote(entry) + " is not: such as 3306,4000-4100"
		}
		list = list.Union(set(port))
	}
	return list, ""
}
