package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value is a setting's value as text, and where it was given.
type Value struct {
	Source Source // "flag --skip-inbound-ports", "file shunt.yaml"
	Key    string // the name within Source, for errors; empty if Source says it
	Text   string
}

// fault prefixes err with where the value was given.
func (v Value) fault(err error) error {
	return inputf("%s: %w", v.place(), err)
}

// place says where the value was given.
func (v Value) place() string {
	if v.Key != "" {
		return string(v.Source) + ": " + v.Key
	}
	return string(v.Source)
}

// Set replaces the setting's value with the values of one layer: all of them for
// a list, otherwise the last one. It records the source and adds warnings. If a
// value is invalid, it changes nothing and returns an InputError that names the
// value and its source. A setting with AddsTo adds to other settings instead.
// Without values, nothing changes.
func (s Setting) Set(c *Config, values ...Value) error {
	if len(values) == 0 {
		return nil
	}
	if s.AddsTo != nil {
		return s.add(c, values)
	}
	var err error
	switch field := s.field(c).(type) {
	case *uint16:
		err = setLast(field, values, ParsePort)
	case *ID:
		err = setLast(field, values, ParseID)
	case *bool:
		err = setLast(field, values, parseBool)
	case *string:
		err = setLast(field, values, s.parseChoice)
	case *time.Duration:
		if s.Kind == KindSeconds {
			err = setLast(field, values, parseSeconds)
		} else {
			err = setLast(field, values, parseDuration)
		}
	case *PortSet:
		var spans []span
		if spans, err = c.allSpans(values, portNumbers()); err == nil {
			*field = portSet(spans)
		}
	case *IDSet:
		var spans []span
		if spans, err = c.allSpans(values, userIDs()); err == nil {
			*field = idSet(spans)
		}
	case *SubnetSet:
		err = setSubnets(c, field, values)
	}
	if err != nil {
		return err
	}
	c.Sources = c.Sources.with(s.Name, s.sourceOf(values))
	return nil
}

// Get returns the setting's value in canonical text, which Set reads back as
// the same value; empty for a setting with AddsTo, which has none of its own.
func (s Setting) Get(c *Config) string {
	if s.AddsTo != nil {
		return ""
	}
	switch field := s.field(c).(type) {
	case *uint16:
		return strconv.Itoa(int(*field))
	case *bool:
		return strconv.FormatBool(*field)
	case *string:
		return *field
	case *time.Duration:
		if s.Kind == KindSeconds {
			return strconv.FormatInt(int64(*field/time.Second), 10)
		}
		return field.String()
	case fmt.Stringer: // *ID and the sets
		return field.String()
	}
	return ""
}

// sourceOf returns where the values that count were given.
func (s Setting) sourceOf(values []Value) Source {
	if !s.Kind.isList() {
		return values[len(values)-1].Source
	}
	sources := make([]Source, len(values))
	for i, v := range values {
		sources[i] = v.Source
	}
	return joinSources(sources...)
}

// add adds a list of ports to the settings that AddsTo names. An empty list
// adds nothing, and is not recorded as a source.
func (s Setting) add(c *Config, values []Value) error {
	spans, err := c.allSpans(values, portNumbers())
	if err != nil || len(spans) == 0 {
		return err
	}
	set, source := portSet(spans), s.sourceOf(values)
	for _, name := range s.AddsTo {
		to, _ := Find(Settings(), name)
		field := to.field(c).(*PortSet)
		*field = field.Union(set)
		c.addSource(name, source)
	}
	return nil
}

// setLast parses all values, so that an invalid one is an error even if a later
// one replaces it, and keeps the last.
func setLast[T any](field *T, values []Value, parse func(string) (T, error)) error {
	var last T
	for _, v := range values {
		parsed, err := parse(v.Text)
		if err != nil {
			return v.fault(err)
		}
		last = parsed
	}
	*field = last
	return nil
}

// allSpans joins the lists of one layer, and warns about empty entries.
func (c *Config) allSpans(values []Value, n numbering) ([]span, error) {
	var all []span
	var remarks []string
	for _, v := range values {
		spans, empty, err := parseSpans(v.Text, n)
		if err != nil {
			return nil, v.fault(err)
		}
		if empty > 0 {
			remarks = append(remarks, fmt.Sprintf("%s: %s", v.place(), emptyRemark(v.Text, empty)))
		}
		all = append(all, spans...)
	}
	c.Warnings = slices.Concat(c.Warnings, remarks)
	return all, nil
}

func setSubnets(c *Config, field *SubnetSet, values []Value) error {
	const most = 3 // warnings of one kind about one value; a list can have thousands
	var all []netip.Prefix
	var remarks []string
	for _, v := range values {
		prefixes, warnings, err := parsePrefixes(v.Text)
		if err != nil {
			return v.fault(err)
		}
		all = append(all, prefixes...)
		for _, w := range warnings[:min(most, len(warnings))] {
			remarks = append(remarks, fmt.Sprintf("%s: %s", v.place(), w))
		}
		if more := len(warnings) - most; more > 0 {
			remarks = append(remarks, fmt.Sprintf("%s: %d more subnets have host bits set", v.place(), more))
		}
	}
	*field = mergePrefixes(all)
	c.Warnings = slices.Concat(c.Warnings, remarks)
	return nil
}

func (s Setting) parseChoice(text string) (string, error) {
	choice := strings.TrimSpace(text)
	if !slices.Contains(s.Choices, choice) {
		return "", fmt.Errorf("invalid value %s: want %s", Quote(text), s.wants())
	}
	return choice, nil
}

func parseBool(text string) (bool, error) {
	v, err := strconv.ParseBool(strings.TrimSpace(text))
	if err != nil {
		return false, fmt.Errorf("%s is neither true nor false", Quote(text))
	}
	return v, nil
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(text))
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a usable duration: want more than zero, such as 5s or 500ms", Quote(text))
	}
	return d, nil
}

// maxCloseWait is what every kernel takes: nf_conntrack's time-outs are set
// through proc_dointvec_jiffies, which refuses more than INT_MAX / HZ seconds
// (kernel/sysctl.c), and HZ is at most 1000.
const maxCloseWait = math.MaxInt32 / 1000 * time.Second

func parseSeconds(text string) (time.Duration, error) {
	const most = uint64(maxCloseWait / time.Second)
	secs, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil || secs > most {
		return 0, fmt.Errorf("%s is not a usable number of seconds: want a whole number from 0 to %d", Quote(text), most)
	}
	return time.Duration(secs) * time.Second, nil
}
