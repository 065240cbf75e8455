package explain

import (
	"net/netip"
	"strconv"
	"strings"

	"shunt/config"
	"shunt/plan"
)

// Change is a setting that decides the connection, and how to change it for the
// opposite verdict.
type Change struct {
	Setting string           `json:"setting"`
	Value   string           `json:"value"`  // now
	Source  config.Source    `json:"source"` // of that value
	Do      string           `json:"do"`     // "without 3306"
	To      string           `json:"to"`     // the value then
	Then    plan.VerdictView `json:"then"`

	// Together means that it takes all of the changes at once.
	Together bool `json:"together,omitempty"`
}

// changes returns what would change the verdict: every setting that concerns
// the flow is changed, and the flow is decided again with the resulting plan. If
// several settings have the same effect, changing one is not enough: then all
// changes that make fewer flows bypass the proxy are made together.
func changes(f *plan.Flow, c *config.Config, verdict plan.Verdict) []Change {
	if !f.TCP {
		return nil
	}
	var alone, together []Change
	all, settings := *c, config.Settings()
	for i := range settings {
		s := &settings[i]
		now := s.Get(c)
		value, do, fewer := edit(s.Name, now, f)
		if do == "" {
			continue
		}
		one := *c
		set(s, &one, value)
		then := decide(&one, f)
		ch := Change{Setting: s.Name, Value: now, Source: c.Sources.Of(s.Name), Do: do, To: value, Then: then.View()}
		if then != verdict {
			alone = append(alone, ch)
		}
		if fewer {
			set(s, &all, value)
			together = append(together, ch)
		}
	}
	then := decide(&all, f)
	if len(alone) > 0 || then == verdict {
		return alone
	}
	for i := range together {
		together[i].Then, together[i].Together = then.View(), true
	}
	return together
}

func decide(c *config.Config, f *plan.Flow) plan.Verdict { return plan.Build(*c).Decide(*f).Verdict }

// set gives a setting a value that edit made, which is always valid.
func set(s *config.Setting, c *config.Config, value string) { _ = s.Set(c, config.Value{Text: value}) }

// edit returns the value of a setting that would give the flow the opposite
// verdict, how to describe the change, and whether fewer flows bypass the proxy
// with it. The description is empty if there is no such value, or if the setting
// has nothing to do with the flow.
func edit(name, value string, f *plan.Flow) (other, do string, fewer bool) {
	switch name + " " + f.Direction.String() {
	case "ipv6 inbound", "ipv6 outbound":
		if value == "false" && f.Dst.Addr().Is6() {
			return "true", "with true", true
		}
	case "inbound-local-only inbound":
		if !f.DstLocal {
			fewer = value == "true"
			other = strconv.FormatBool(!fewer)
			return other, "with " + other, fewer
		}
	case "proxy-uid outbound":
		if value == number(f.UID) {
			return config.NoID.String(), "with another id", true
		}
	case "proxy-gid outbound":
		if value == number(f.GID) {
			return config.NoID.String(), "with another id", true
		}
	case "skip-outbound-uids outbound":
		return toggle(value, number(f.UID), func(entry string) bool {
			set, err := config.ParseIDs(entry)
			return err == nil && set.Contains(config.ID(f.UID))
		})
	case "skip-outbound-subnets outbound":
		return toggleAddr(value, f.Dst.Addr())
	case "skip-subnets inbound":
		return toggleAddr(value, f.Src)
	case "skip-inbound-ports inbound", "skip-outbound-ports outbound":
		return togglePort(value, f)
	case "ports-to-redirect inbound":
		if other, do, fewer = togglePort(value, f); value != "" && other != "" { // an empty list means every port
			return other, do, !fewer
		}
	}
	return "", "", false
}

func number(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func togglePort(list string, f *plan.Flow) (other, do string, less bool) {
	port := f.Dst.Port()
	text := strconv.Itoa(int(port))
	set, err := config.ParsePorts(list)
	if err == nil && set.Contains(port) {
		return set.Without(port).String(), "without " + text, true
	}
	return toggle(list, text, func(string) bool { return false })
}

func toggleAddr(list string, a netip.Addr) (other, do string, less bool) {
	if !a.IsValid() {
		return "", "", false
	}
	return toggle(list, a.String(), func(entry string) bool {
		p, err := netip.ParsePrefix(entry)
		return err == nil && p.Contains(a)
	})
}

// toggle removes the entries that contain a value from a list, or adds the value
// if there is none. A subnet or a range is removed whole.
func toggle(list, value string, holds func(entry string) bool) (other, do string, less bool) {
	var rest []string
	for _, entry := range strings.Split(list, ",") {
		if holds(entry) {
			less = true
		} else if entry != "" {
			rest = append(rest, entry)
		}
	}
	do = "without " + value
	if !less {
		do, rest = "with "+value, append(rest, value)
	}
	return strings.Join(rest, ","), do, less
}
