package explain

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"shunt/plan"
)

// WriteText writes the explanation for people.
func (e *Explanation) WriteText(w io.Writer, screen Screen) error {
	var b strings.Builder
	screen.hang(&b, "", plan.Printable(e.Connection))
	if e.Workload != "" {
		fmt.Fprintln(&b, "in", plan.Printable(e.Workload))
	}
	for i := range e.Chains {
		screen.chain(&b, &e.Chains[i])
	}
	b.WriteByte('\n')
	colour := yellow
	if e.Verdict.Action == "redirect" {
		colour = green
	}
	screen.field(&b, "Verdict", screen.paint(colour, verdict(e.Verdict)))
	screen.field(&b, "Why", e.Why)
	screen.field(&b, "Lands on", e.Lands)
	label := "Change"
	for i := range e.Changes {
		c := &e.Changes[i]
		value, then := c.Value, verdict(c.Then)
		if value == "" {
			value = "empty"
		}
		if c.Together && i+1 < len(e.Changes) {
			then = "and"
		}
		screen.field(&b, label, fmt.Sprintf("%s is %s (%s); %s: %s", c.Setting, shorten(value), c.Source, c.Do, then))
		label = ""
	}
	label = "Note"
	for _, h := range e.Hints {
		screen.field(&b, label, h)
		label = ""
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// verdict says what the rule does.
func (r *Rule) verdict() string { return cmp.Or(shorten(r.Does), verdict(r.Verdict)) }

func verdict(v plan.VerdictView) string {
	if v.Port != 0 {
		return fmt.Sprintf("%s to :%d", v.Action, v.Port)
	}
	return v.Action
}

// shorten cuts a long list to what fits beside the rest of a line.
func shorten(text string) string { return cut(text, 65) }
