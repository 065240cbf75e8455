package config

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// span is an inclusive range of ports or ids, the form in which both are
// parsed and merged.
type span struct {
	first, last uint32
}

// numbering says what the numbers of a list are, for parsing and for errors.
type numbering struct {
	one     string // "port"
	max     uint32
	example string // a range, for the error
}

// parseSpans reads a comma list of N or A-B. Spaces around entries and
// numbers do not count, an empty text is an empty list. Empty entries are
// passed over, as Linkerd does, and counted. The result is in the order of the
// text and may overlap.
func parseSpans(text string, n numbering) (spans []span, empty int, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, 0, nil
	}
	spans = make([]span, 0, min(strings.Count(text, ",")+1, 1<<16)) // a file of commas gets no more
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			empty++
			continue
		}
		low, high, isRange := strings.Cut(entry, "-")
		first, okFirst := n.parse(low)
		last, okLast := first, okFirst
		if isRange {
			last, okLast = n.parse(high)
		}
		switch {
		case !okFirst || !okLast:
			return nil, 0, fmt.Errorf("%s is not a %s: want a number from 0 to %d or a range such as %s",
				Quote(entry), n.one, n.max, n.example)
		case first > last:
			return nil, 0, fmt.Errorf("%s is a descending range: want the lower %s first, %d-%d",
				Quote(entry), n.one, last, first)
		}
		spans = append(spans, span{first, last})
	}
	return spans, empty, nil
}

// emptyRemark is the warning on entries with nothing between two commas, or
// beside one.
func emptyRemark(text string, empty int) string {
	if empty == 1 {
		return Quote(text) + " has an empty entry, which is ignored"
	}
	return fmt.Sprintf("%s has %d empty entries, which are ignored", Quote(text), empty)
}

func (n numbering) parse(text string) (uint32, bool) {
	v, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return uint32(v), err == nil && uint32(v) <= n.max
}

// mergeSpans sorts spans in place and joins those that overlap or touch.
func mergeSpans(spans []span) []span {
	// Not slices.SortFunc, here and elsewhere: each type that it sorts adds some
	// 15 KB to the binary.
	sort.Slice(spans, func(i, j int) bool { return spans[i].first < spans[j].first })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && uint64(s.first) <= uint64(merged[n-1].last)+1 {
			merged[n-1].last = max(merged[n-1].last, s.last)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// appendSpan appends the canonical text of one range to a comma list.
func appendSpan(list []byte, first, last uint32) []byte {
	if len(list) > 0 {
		list = append(list, ',')
	}
	list = strconv.AppendUint(list, uint64(first), 10)
	if last != first {
		list = append(list, '-')
		list = strconv.AppendUint(list, uint64(last), 10)
	}
	return list
}
