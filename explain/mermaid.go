package explain

import (
	"io"

	"shunt/plan"
)

// WriteMermaid writes the explanation as a Mermaid flowchart.
func (e *Explanation) WriteMermaid(w io.Writer) error {
	var charts []plan.Chart
	for _, c := range e.Chains {
		chart := plan.Chart{Name: c.Name, Start: e.Connection, Decides: -1}
		for i, r := range c.Rules {
			chart.Steps = append(chart.Steps, plan.Step{Rule: r.Name, Match: shorten(r.Match), Verdict: r.verdict()})
			if r.Decides {
				chart.Decides = i
			}
		}
		charts = append(charts, chart)
	}
	if len(charts) == 0 { // the pod has no rules
		charts = []plan.Chart{{Name: e.Why, Start: e.Connection, Decides: -1}}
	}
	return plan.WriteMermaid(w, charts...)
}
