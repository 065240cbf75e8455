package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ID is a Linux user or group id, 0 to 4294967294, or NoID.
type ID int64

// NoID stands for "no such id is configured".
const NoID ID = -1

// MaxID is the highest id a process can have: (uid_t)-1 is reserved by the
// kernel for "no change" (setreuid(2)).
const MaxID ID = 1<<32 - 2

// IDRange is an inclusive range of user ids.
type IDRange struct {
	First, Last uint32
}

// IDSet is a sorted list of disjoint ranges that do not touch each other.
type IDSet []IDRange

func userIDs() numbering {
	return numbering{one: "user id", max: uint32(MaxID), example: "1000-1999"}
}

// ParseIDs reads a comma list of user ids N and inclusive ranges A-B, 0 to
// MaxID, by the rules of ParsePorts.
func ParseIDs(text string) (IDSet, error) {
	spans, _, err := parseSpans(text, userIDs())
	if err != nil {
		return nil, err
	}
	return idSet(spans), nil
}

// ParseID reads one user or group id, 0 to MaxID; -1 is NoID.
func ParseID(text string) (ID, error) {
	id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || ID(id) < NoID || ID(id) > MaxID || strings.ContainsRune(text, '+') {
		return NoID, fmt.Errorf("%s is not a user or group id: want a number from 0 to %d, or -1 for none",
			Quote(text), int64(MaxID))
	}
	return ID(id), nil
}

// String returns the number; NoID is "-1".
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// idSet merges spans, which it may reorder.
func idSet(spans []span) IDSet {
	if len(spans) == 0 {
		return nil
	}
	merged := mergeSpans(spans)
	set := make(IDSet, len(merged))
	for i, s := range merged {
		set[i] = IDRange{s.first, s.last}
	}
	return set
}

// String returns the canonical list, "0,1000-1999": ParseIDs reads it back as
// the same set.
func (s IDSet) String() string {
	var list []byte
	for _, r := range s {
		list = appendSpan(list, r.First, r.Last)
	}
	return string(list)
}

// Contains reports whether id is in the set; NoID never is.
func (s IDSet) Contains(id ID) bool {
	_, found := slices.BinarySearchFunc(s, id, func(r IDRange, id ID) int {
		switch {
		case ID(r.Last) < id:
			return -1
		case ID(r.First) > id:
			return 1
		}
		return 0
	})
	return found
}

// Everything reports whether every id that a process can have is in the set.
func (s IDSet) Everything() bool {
	return len(s) == 1 && s[0] == IDRange{0, uint32(MaxID)}
}
