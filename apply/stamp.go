package apply

import "strings"

// Stamp is what rules say of their origin in a comment: the version of the
// program that wrote them, the plan that they are for, and the exception that
// was made from it, if any. The zero Stamp says nothing.
type Stamp struct {
	Version   string
	Plan      string // the plan's hash
	Exception string // "", or ExceptionNoIPv6NAT
}

// ExceptionNoIPv6NAT is the one exception: rules for IPv4 only, although the
// plan has IPv6, because the kernel cannot translate IPv6 addresses and the
// namespace has none to translate.
const ExceptionNoIPv6NAT = "ipv6-not-supported"

const stampPlan = " plan "

// String returns the stamp as comments have it: "v1.2 plan 2d3dd1c60384".
func (s Stamp) String() string {
	if s == (Stamp{}) {
		return ""
	}
	text := s.Version + stampPlan + s.Plan
	if s.Exception != "" {
		text += " " + s.Exception
	}
	return text
}

// ParseStamp reads what String wrote. Of any other text it makes a stamp
// whose Version is the text: somebody wrote it, for a plan that is not known.
func ParseStamp(text string) Stamp {
	version, rest, found := strings.Cut(text, stampPlan)
	if !found {
		return Stamp{Version: text}
	}
	plan, exception, _ := strings.Cut(rest, " ")
	return Stamp{Version: version, Plan: plan, Exception: exception}
}
