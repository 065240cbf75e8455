package playground

import (
	"net/netip"
	"strings"

	"shunt/config"
	"shunt/explain"
	"shunt/lint"
	"shunt/plan"
)

// Command is one that gives in a terminal what the page shows.
type Command struct {
	Verb string `json:"verb"`
	Line string `json:"line"`
}

// explanation returns what the page shows of one. c is nil for a pod that is not
// injected.
func (a *asked) explanation(e *explain.Explanation, c *config.Config) *Explanation {
	e.Workload = a.w.String()
	q, _ := a.Connection.Question() // it was asked before
	var text, svg strings.Builder
	_ = e.WriteText(&text) // a Builder takes everything
	_ = e.WriteSVG(&svg, a.Width)
	verdict := plan.Verdict{}
	if e.Verdict.Action == "redirect" {
		verdict = plan.Verdict{Kind: plan.Redirect, Port: e.Verdict.Port}
	}
	out := &Explanation{Connection: e.Connection, Verdict: verdict.String(), Why: e.Why, Lands: e.Lands,
		Changes: []Change{}, Hints: e.Hints, SVG: svg.String(), Text: text.String()}
	if c != nil {
		out.Changes = a.changes(e, c, q)
	}
	return out
}

// commands returns the lines for a terminal. The workload is named as far as
// several are there; of an object with several templates the command line cannot
// name one, so it has no line.
func (a *asked) commands() []Command {
	var name []string
	if one, err := a.set.Find(""); err != nil || one != a.w {
		for _, try := range []string{a.w.Kind + "/" + a.w.Name, a.w.InNamespace() + "/" + a.w.Kind + "/" + a.w.Name} {
			if one, err := a.set.Find(try); err == nil && one == a.w {
				name = []string{"--workload", try}
				break
			}
		}
	}
	var common []string
	if a.Mode == config.ModeCNI {
		common = append(common, "--mode", "cni")
	}
	if a.Assume {
		common = append(common, "--assume-injected")
	}
	check := []string{"shunt", "lint", fileName}
	if a.Release != "" && a.Release != lint.DefaultRelease {
		check = append(check, "--linkerd-version", a.Release)
	}
	if a.Assume {
		check = append(check, "--assume-injected")
	}
	out := []Command{{"lint", line(check)}}
	if _, err := a.set.Find(""); name == nil && err != nil {
		return out
	}
	of := append([]string{"-f", fileName}, append(name, common...)...)
	out = append(out, Command{"plan", line(append([]string{"shunt", "plan", "-o", "table"}, of...))})
	if _, err := a.Connection.Question(); err != nil {
		return out
	}
	return append(out, Command{"explain", line(append(a.connection(), of...))})
}

// connection returns the command's words for the connection.
func (a *asked) connection() []string {
	d := a.Connection
	if q, err := d.Question(); err == nil && q.To.IsValid() {
		d.To, d.Port = netip.AddrPortFrom(q.To, q.Port).String(), ""
	}
	words := []string{"shunt", "explain", d.Direction}
	for _, f := range []struct{ flag, value, standard string }{
		{"--uid", d.UID, "0"}, {"--gid", d.GID, "0"}, {"--from", d.From, ""}, {"--to", d.To, ""}, {"--port", d.Port, ""}, {"--proto", d.Proto, "tcp"},
	} {
		if f.value != "" && f.value != f.standard {
			words = append(words, f.flag, f.value)
		}
	}
	return words
}

// line joins words for a POSIX shell.
func line(words []string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsFunc(word, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=", r))
		}) {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		b.WriteString(word)
	}
	return b.String()
}
