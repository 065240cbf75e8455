package iptables

import (
	"strings"

	"shunt/apply"
)

// commentLimit is the longest comment that both variants keep: xt_comment
// holds 255 bytes (XT_MAX_COMMENT_LEN is 256 with the final zero).
const commentLimit = 255

// stamped returns a comment with a stamp.
func stamped(comment string, s apply.Stamp) string {
	if s != (apply.Stamp{}) {
		comment += " " + strings.Map(printable, s.String())
	}
	return comment[:min(len(comment), commentLimit)]
}

// printable keeps a stamp on its line and out of the quoting's way.
func printable(r rune) rune {
	if r <= ' ' || r > '~' || r == '"' || r == '\\' || r == '\'' {
		return ' '
	}
	return r
}
