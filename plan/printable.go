package plan

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Printable returns a text in which everything that is not printable is
// escaped as in Go, so that a name in a manifest or a comment in the kernel
// neither moves the cursor nor begins a line of its own.
func Printable(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
