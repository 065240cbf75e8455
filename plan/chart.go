package plan

import (
	"fmt"
	"io"
	"strings"
)

// Chart is a chain of rules as a Mermaid flowchart draws it
// (https://mermaid.js.org/syntax/flowchart.html): GitHub renders one in a block
// of code with the language mermaid.
type Chart struct {
	Name    string // of the chain
	Start   string // what comes to it
	Steps   []Step
	Decides int // the step that decides, -1 if none does
}

// Step is one rule of a chart.
type Step struct {
	Rule, Match, Verdict string
}

// Charts returns a chart for each direction.
func (p Plan) Charts() []Chart {
	var out []Chart
	for i, rules := range [][]Rule{p.Inbound, p.Outbound} {
		name := Direction(i).String()
		start := name + " connection"
		if !p.IPv6 {
			start += ", IPv4"
		}
		c := Chart{Name: name, Start: start, Decides: -1}
		for _, r := range rules {
			c.Steps = append(c.Steps, Step{r.Name, string(r.Match.append(nil, listLimit)), r.Verdict.String()})
		}
		out = append(out, c)
	}
	return out
}

// WriteMermaid writes charts as one flowchart.
func WriteMermaid(w io.Writer, charts ...Chart) error {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	for i, c := range charts {
		fmt.Fprintf(&b, "  subgraph chain%d[%s]\n    c%[1]d([%[3]s])\n", i, quoted(c.Name), quoted(c.Start))
		from := fmt.Sprintf("c%d -->", i)
		for n, s := range c.Steps {
			id := fmt.Sprintf("c%dr%d", i, n+1)
			fmt.Fprintf(&b, "    %s %s{{%s}}\n    %[2]s -- yes --> %[2]sv[%[4]s]\n",
				from, id, quoted(fmt.Sprintf("%d %s", n+1, s.Rule), s.Match), quoted(s.Verdict))
			from = id + " -- no -->"
		}
		fmt.Fprintf(&b, "    %s c%de[%s]\n  end\n", from, i, quoted("bypass"))
		if c.Decides >= 0 {
			fmt.Fprintf(&b, "  class c%dr%d,c%[1]dr%[2]dv decides\n", i, c.Decides+1)
		}
	}
	b.WriteString("  classDef decides stroke-width:4px\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// quoted returns lines of text as a label: what Mermaid or HTML would read is
// written as an entity code.
func quoted(lines ...string) string {
	safe := strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;")
	for i := range lines {
		lines[i] = safe.Replace(Printable(lines[i]))
	}
	return `"` + strings.Join(lines, "<br/>") + `"`
}
