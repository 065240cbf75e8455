package explain

import (
	"strings"
	"unicode/utf8"
)

// Fit returns a table with lines that fit the screen: the last column of a line
// that is too wide goes on below itself or, where there is no room, below the
// others. Two spaces or more stand between columns.
func (sc Screen) Fit(table string) string {
	if sc.Width == 0 {
		return table
	}
	const least = 30 // columns that are worth going on below
	var b strings.Builder
	for line := range strings.Lines(table) {
		at := strings.LastIndex(line, "  ") + 2
		switch text := strings.TrimSuffix(line, "\n"); {
		case utf8.RuneCountInString(text) <= sc.Width:
			b.WriteString(line)
		case at < 2: // a sentence
			sc.hang(&b, "", text)
		case utf8.RuneCountInString(text[:at]) > sc.Width-least:
			b.WriteString(strings.TrimRight(text[:at], " ") + "\n")
			sc.hang(&b, "    ", text[at:])
		default:
			sc.hang(&b, text[:at], text[at:])
		}
	}
	return b.String()
}
