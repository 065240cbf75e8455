package lint

import (
	"embed"
	"fmt"
	"strings"
)

// pages holds a page for each rule: how there comes to be a finding, an example
// of one, and what to write instead.
//
//go:embed rules/*.md
var pages embed.FS

// Page returns what there is to say about the rule, in Markdown that reads well
// as it is.
func (r Rule) Page() string {
	text, err := pages.ReadFile("rules/" + r.ID + ".md")
	if err != nil { // a test reads every page
		panic(err)
	}
	return fmt.Sprintf("# %[1]s (%[2]s)\n\n%[3]s\n%[4]s\n## To silence it\n\n"+
		"- a comment on the line or above it: `# shunt-lint:ignore %[1]s: reason`\n"+
		"- an annotation of the object: `shunt/lint-ignore: \"%[1]s: reason\"`\n"+
		"- in `.shunt-lint.yaml`, below `ignore:`: `- {rule: %[1]s, reason: why}`\n",
		r.ID, r.Severity, fill(r.Why), text)
}

// fill breaks a text into lines of at most 80 columns.
func fill(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		if column > 0 && column+1+len(word) > 80 {
			b.WriteByte('\n')
			column = 0
		} else if column > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String() + "\n"
}
