package apply

import (
	"strconv"
	"strings"
)

// Mark begins the comment of every rule that shunt wrote.
const Mark = "shunt/"

// ParseComment returns the rule's name that a comment stands for, what follows
// Mark, and the stamp behind it. The comment of somebody else's rule becomes a
// name that no rule of ours has, because it contains a slash, so that the rule
// counts as different and people still see where it came from.
func ParseComment(comment string) (name string, stamp Stamp) {
	if rest, ours := strings.CutPrefix(comment, Mark); ours {
		name, text, _ := strings.Cut(rest, " ")
		if name != "" && !strings.Contains(name, "/") {
			if text != "" {
				stamp = ParseStamp(text)
			}
			return name, stamp
		}
	}
	if strings.HasPrefix(comment, "/") || !strings.Contains(comment, "/") {
		return "/" + comment, Stamp{}
	}
	return comment, Stamp{}
}

// Comment is ParseComment's inverse, except for the stamp.
func Comment(name string) string {
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "/"):
		return name[1:]
	case strings.Contains(name, "/"):
		return name
	}
	return Mark + name
}

// Foreign reports whether a rule's name is not one of shunt's: it has none, or
// it is somebody's comment.
func (r Rule) Foreign() bool { return r.Name == "" || strings.Contains(r.Name, "/") }

// Title is the rule's name for people: of a rule that is not shunt's its comment,
// or that it is not.
func (r Rule) Title() string {
	switch {
	case r.Name == "":
		return "(not shunt's)"
	case r.Foreign():
		return strconv.Quote(Comment(r.Name))
	}
	return r.Name
}
