package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"shunt/cli"
	"shunt/config"
	"shunt/plan"
)

// planManifests prints the plan of every workload. Of one that was chosen by
// its name, the text is loadable as it stands.
func (w *workloads) planManifests(r *request, format string) error {
	list, set, err := w.resolve(r, false)
	if err != nil {
		return err
	}
	if format == formatMermaid && len(list) > 1 {
		return cli.BadFlag("output", "a flowchart is of one workload: give --workload, such as %s", set.Names()[0])
	}
	if format == formatJSON {
		views := []workloadView{}
		for i := range list {
			views = append(views, list[i].view())
		}
		return writeJSON(r.sys.stdout, struct {
			Mode      string         `json:"mode"`
			Workloads []workloadView `json:"workloads"`
			Skipped   []string       `json:"skipped"`
		}{w.mode, views, skipped(set)})
	}
	var b bytes.Buffer
	mark, end := "# ", skippedText(set, "left out")
	switch format {
	case formatTable:
		mark = ""
	case formatMermaid:
		mark = "%% "
	}
	for i := range list {
		s := &list[i]
		switch {
		case s.resolved == nil:
			fmt.Fprintf(&b, "%s%s\n", mark, plan.Printable(fmt.Sprintf("%s: not injected: %s", s.Object, strings.Join(s.Not, "; "))))
		case w.name == "" || format == formatTable:
			fmt.Fprintf(&b, "%s%s\n", mark, plan.Printable(fmt.Sprintf("%s: injected: %s", s.Object, s.Why)))
			fallthrough
		default:
			if err := s.write(&b, format); err != nil {
				return err
			}
		}
		if i+1 < len(list) {
			b.WriteByte('\n')
		}
	}
	switch {
	case w.name != "":
	case len(list) == 0:
		fmt.Fprintf(&b, "%sno workload found; %s", mark, end)
	case end != "":
		fmt.Fprintf(&b, "\n%s%s", mark, end)
	}
	text := b.String()
	if format == formatTable {
		text = r.sys.screen().Fit(text)
	}
	_, err = io.WriteString(r.sys.stdout, text)
	return err
}

// write writes what one workload gets.
func (s *selected) write(b *bytes.Buffer, format string) error {
	if format == formatTable {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "SETTING\tVALUE\tSOURCE")
		for _, v := range s.cfg.Views() {
			if v.Value == "" || v.Value == config.NoID.String() {
				v.Value = "none"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\n", v.Setting, v.Value, v.Source)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	text, err := render(s.resolved, format)
	b.WriteString(text)
	return err
}

// workloadView is a workload's plan for programs.
type workloadView struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	File      string `json:"file"`
	Line      int    `json:"line"`

	Injected bool          `json:"injected"`
	Why      string        `json:"why"`
	Config   []config.View `json:"config,omitempty"`
	Plan     *plan.View    `json:"plan,omitempty"`
}

func (s *selected) view() workloadView {
	v := workloadView{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, File: s.File, Line: s.Line, Injected: s.Injected, Why: s.Why}
	if s.resolved == nil {
		v.Why = strings.Join(s.Not, "; ")
		return v
	}
	p := s.plan.View()
	v.Config, v.Plan = s.cfg.Views(), &p
	return v
}
