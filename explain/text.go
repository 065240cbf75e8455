package explain

import (
	"fmt"
	"io"
	"text/tabwriter"

	"shunt/plan"
)

// WriteText writes the explanation for people.
func (e *Explanation) WriteText(w io.Writer) error {
	fmt.Fprintln(w, e.Connection)
	if e.Workload != "" {
		fmt.Fprintln(w, "in", plan.Printable(e.Workload))
	}
	for i := range e.Chains {
		c := &e.Chains[i]
		fmt.Fprintf(w, "\n%s\n", plan.Printable(c.Name))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for n := range c.Rules {
			r := &c.Rules[n]
			mark, packets := ' ', ""
			if r.Decides {
				mark = '>'
			}
			if r.Packets != nil {
				packets = fmt.Sprintf("\t%d packets", *r.Packets)
			}
			fmt.Fprintf(t, "%c %d %s\t%s\t%s%s\n", mark, r.Number, plan.Printable(r.Name), plan.Printable(shorten(r.Match)), verdict(r.Verdict), packets)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nVerdict   %s\nWhy       %s\nLands on  %s\n", verdict(e.Verdict), plan.Printable(e.Why), plan.Printable(e.Lands))
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
		fmt.Fprintf(w, "%-9s %s is %s (%s); %s: %s\n", label, c.Setting, shorten(value), c.Source, c.Do, then)
		label = ""
	}
	label = "Note"
	for _, h := range e.Hints {
		fmt.Fprintf(w, "%-9s %s\n", label, plan.Printable(h))
		label = ""
	}
	return nil
}

func verdict(v plan.VerdictView) string {
	if v.Port != 0 {
		return fmt.Sprintf("%s to :%d", v.Action, v.Port)
	}
	return v.Action
}

// shorten cuts a long list to what fits beside the rest of a line.
func shorten(text string) string {
	const most = 64
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
