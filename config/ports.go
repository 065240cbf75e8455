package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PortRange is an inclusive range of TCP ports; First == Last is one port.
type PortRange struct {
	First, Last uint16
}

// PortSet is a sorted list of disjoint ranges that do not touch each other.
type PortSet []PortRange

func portNumbers() numbering {
	return numbering{one: "port", max: 65535, example: "4000-4100"}
}

// ParsePorts reads a comma list of ports N and inclusive ranges A-B, 0 to
// 65535, with spaces trimmed. An empty text is an empty set, empty entries are
// ignored. Overlapping, touching and repeated entries are merged. An error names the first bad
// entry and what would be right.
func ParsePorts(text string) (PortSet, error) {
	spans, _, err := parseSpans(text, portNumbers())
	if err != nil {
		return nil, err
	}
	return portSet(spans), nil
}

// ParsePort reads the one port that something listens on: 1 to 65535 (port 0
// asks the kernel to choose one, so nothing can be redirected to it).
func ParsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%s is not a usable port: want a number from 1 to 65535", Quote(text))
	}
	return uint16(port), nil
}

// portSet merges spans, which it may reorder.
func portSet(spans []span) PortSet {
	if len(spans) == 0 {
		return nil
	}
	merged := mergeSpans(spans)
	set := make(PortSet, len(merged))
	for i, s := range merged {
		set[i] = PortRange{uint16(s.first), uint16(s.last)}
	}
	return set
}

func (s PortSet) spans() []span {
	spans := make([]span, len(s))
	for i, r := range s {
		spans[i] = span{uint32(r.First), uint32(r.Last)}
	}
	return spans
}

// String returns the canonical list, "80,4000-4100": ParsePorts reads it back
// as the same set.
func (s PortSet) String() string {
	var list []byte
	for _, r := range s {
		list = appendSpan(list, uint32(r.First), uint32(r.Last))
	}
	return string(list)
}

// Contains reports whether port is in the set.
func (s PortSet) Contains(port uint16) bool {
	_, found := slices.BinarySearchFunc(s, port, func(r PortRange, port uint16) int {
		switch {
		case r.Last < port:
			return -1
		case r.First > port:
			return 1
		}
		return 0
	})
	return found
}

// Union returns the merged set of s and the others, in storage of its own.
func (s PortSet) Union(others ...PortSet) PortSet {
	spans := s.spans()
	for _, other := range others {
		spans = append(spans, other.spans()...)
	}
	return portSet(spans)
}

// Without returns the set without one port, in storage of its own.
func (s PortSet) Without(port uint16) PortSet {
	var out PortSet
	for _, r := range s {
		switch {
		case port < r.First || r.Last < port:
			out = append(out, r)
			continue
		case r.First < port:
			out = append(out, PortRange{r.First, port - 1})
		}
		if port < r.Last {
			out = append(out, PortRange{port + 1, r.Last})
		}
	}
	return out
}

// Everything reports whether every port that a connection can have is in the
// set. Port 0 is none.
func (s PortSet) Everything() bool {
	return len(s) == 1 && s[0].First <= 1 && s[0].Last == 65535
}
