package iptables

import (
	"strings"

	"shunt/apply"
)

// mark begins the comment of every rule that shunt wrote.
const mark = "shunt/"

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

// nameOf returns the rule's name that a comment stands for, what follows
// "shunt/", and the stamp behind it. The comment of somebody else's rule
// becomes a name that no rule of ours has, because it contains a slash, so that
// the rule counts as different and people still see where it came from.
func nameOf(comment string) (name string, stamp apply.Stamp) {
	if rest, ours := strings.CutPrefix(comment, mark); ours {
		name, text, _ := strings.Cut(rest, " ")
		if name != "" && !strings.Contains(name, "/") {
			if text != "" {
				stamp = apply.ParseStamp(text)
			}
			return name, stamp
		}
	}
	if strings.HasPrefix(comment, "/") || !strings.Contains(comment, "/") {
		return "/" + comment, apply.Stamp{}
	}
	return comment, apply.Stamp{}
}

// commentOf is nameOf's inverse, except for the stamp.
func commentOf(name string) string {
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "/"):
		return name[1:]
	case strings.Contains(name, "/"):
		return name
	}
	return mark + name
}
