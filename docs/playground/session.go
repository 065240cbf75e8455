// Package playground answers the questions of the page in this folder: which
// workloads a manifest has, what each of them gets, what happens to a connection,
// and what is wrong. It has no words of its own where the command line has some.
package playground

import (
	"errors"
	"fmt"
	"strings"

	"shunt/config"
	"shunt/explain"
	"shunt/lint"
	"shunt/manifest"
	"shunt/plan"
)

// fileName is what the manifest is called in findings and commands.
const fileName = "manifest.yaml"

// Request is what the page asks.
type Request struct {
	Manifest   string              `json:"manifest"`
	Workload   string              `json:"workload"` // the ID of one; unknown: the first that is injected
	Mode       config.Mode         `json:"mode"`
	Assume     bool                `json:"assume"`  // that Namespaces which are not there ask for a proxy
	Release    string              `json:"release"` // of Linkerd, for findings; empty: the default
	Connection explain.Description `json:"connection"`
	Width      int                 `json:"width"` // of the drawing, in pixels
}

// Answer is what the page shows.
type Answer struct {
	Findings []*lint.Finding `json:"findings"`
	Summary  string          `json:"summary"` // of the findings

	// Wrong says that the manifest or an assumption cannot be used: there is no
	// workload then.
	Wrong string `json:"wrong,omitempty"`
	Line  int    `json:"line,omitempty"` // of the manifest, if that is known

	Workloads []Choice  `json:"workloads"`
	Workload  *Workload `json:"workload,omitempty"`

	Field       string       `json:"field,omitempty"` // of the connection that cannot be used, and
	FieldWrong  string       `json:"fieldWrong,omitempty"`
	Explanation *Explanation `json:"explanation,omitempty"`
	Commands    []Command    `json:"commands"`
}

// Choice is a workload that can be chosen.
type Choice struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Injected bool   `json:"injected"`
}

// Workload is what the pods of one get.
type Workload struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Line     int           `json:"line"`
	Injected bool          `json:"injected"`
	Why      string        `json:"why"`
	Wrong    string        `json:"wrong,omitempty"` // with its settings: it has none then
	Warnings []string      `json:"warnings"`
	Settings []config.View `json:"settings"`
	Rules    []Rule        `json:"rules"`
	IPv6     string        `json:"ipv6"`
	Inject   *Edit         `json:"inject,omitempty"` // would make it injected
}

// Rule is one of the plan's.
type Rule struct {
	Chain   string `json:"chain"`
	Number  int    `json:"number"`
	Name    string `json:"name"`
	Match   string `json:"match"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Decides bool   `json:"decides"`
}

// Explanation is what happens to the connection.
type Explanation struct {
	Connection string   `json:"connection"`
	Verdict    string   `json:"verdict"`
	Why        string   `json:"why"`
	Lands      string   `json:"lands"`
	Changes    []Change `json:"changes"`
	Hints      []string `json:"hints"`
	SVG        string   `json:"svg"`
	Text       string   `json:"text"` // as the command line has it
}

// Session is one page's. It keeps what it has read of the last manifest.
type Session struct {
	text string
	set  *manifest.Set
	err  error
}

// read returns what a text holds.
func (s *Session) read(text string) (*manifest.Set, error) {
	if s.set == nil || s.text != text {
		s.text, s.set = text, &manifest.Set{}
		s.err = s.set.Read(fileName, strings.NewReader(text))
	}
	return s.set, s.err
}

// Answer answers a request.
func (s *Session) Answer(r *Request) *Answer {
	a := &Answer{Findings: []*lint.Finding{}, Workloads: []Choice{}, Commands: []Command{}}
	set, err := s.read(r.Manifest)
	if err != nil {
		a.Wrong = err.Error()
		return a
	}
	set.AssumeInjected = r.Assume
	if err := a.lint(set, r.Release); err != nil {
		a.Wrong = err.Error()
		return a
	}
	if err := set.Err(); err != nil {
		a.Wrong, a.Line = err.Error(), set.Broken[0].Line
		return a
	}
	var chosen *manifest.Object
	for _, w := range set.Workloads() {
		c := Choice{id(w), w.String(), set.Injection(w).Injected}
		a.Workloads = append(a.Workloads, c)
		if chosen == nil && c.ID == r.Workload {
			chosen = w
		}
	}
	if chosen == nil {
		if chosen = first(set, a.Workloads); chosen == nil {
			a.Wrong = fileName + ": the files contain no workload"
			return a
		}
	}
	a.workload(r, set, chosen)
	return a
}

// id names a workload, also one of several templates of an object.
func id(w *manifest.Object) string {
	return strings.Trim(w.InNamespace()+"/"+w.Kind+"/"+w.Name+"/"+w.Part, "/")
}

// first returns the first workload that is injected, or the first of all.
func first(set *manifest.Set, choices []Choice) *manifest.Object {
	for i, w := range set.Workloads() {
		if choices[i].Injected {
			return w
		}
	}
	if all := set.Workloads(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// mostFindings bounds what the page has to show.
const mostFindings = 500

func (a *Answer) lint(set *manifest.Set, release string) error {
	if release == "" {
		release = lint.DefaultRelease
	}
	version, err := lint.ParseRelease(release)
	if err != nil {
		return err
	}
	findings, silenced := lint.Check(set, version)
	a.Summary = fmt.Sprintf("errors: %d, warnings: %d, notes: %d, silenced: %d; objects: %d; Linkerd %s",
		lint.Count(findings, lint.Error), lint.Count(findings, lint.Warning), lint.Count(findings, lint.Note), silenced, len(set.Objects), version)
	if len(findings) > mostFindings {
		a.Summary += fmt.Sprintf("; the first %d are shown", mostFindings)
		findings = findings[:mostFindings]
	}
	a.Findings = append(a.Findings, findings...)
	return nil
}

// workload answers for one workload, and for a connection of its pods.
func (a *Answer) workload(r *Request, set *manifest.Set, w *manifest.Object) {
	in := set.Injection(w)
	a.Workload = &Workload{ID: id(w), Name: w.String(), Line: w.Line, Injected: in.Injected, Why: in.Why,
		Warnings: []string{}, Settings: []config.View{}, Rules: []Rule{}}
	asked := &asked{r, set, w}
	a.Commands = asked.commands()
	q, err := r.Connection.Question()
	if wrong, ok := errors.AsType[*explain.FieldError](err); ok {
		a.Field, a.FieldWrong = wrong.Field, wrong.Err.Error()
	}
	if !in.Injected {
		a.Workload.Why = strings.Join(in.Not, "; ")
		a.Workload.Inject = asked.inject()
		if q != nil {
			a.Explanation = asked.explanation(explain.NotInjected(q, a.Workload.Why), q, nil)
		}
		return
	}
	c, warnings, err := set.Resolve(&config.Layers{}, w, r.Mode)
	if err != nil {
		a.Workload.Wrong = err.Error()
		return
	}
	a.Workload.Warnings = append(a.Workload.Warnings, warnings...)
	for _, v := range c.Views() {
		v.Value = cut(v.Value)
		a.Workload.Settings = append(a.Workload.Settings, v)
	}
	var decided *plan.Decision
	p := plan.Build(c)
	if q != nil {
		a.Explanation = asked.explanation(explain.Plan(q, &c), q, &c)
		d := p.Decide(q.Flow())
		decided = &d
	}
	a.Workload.IPv6 = map[bool]string{true: "the same rules", false: "not touched"}[p.IPv6]
	for direction, rules := range [][]plan.Rule{p.Inbound, p.Outbound} {
		for i, rule := range rules {
			a.Workload.Rules = append(a.Workload.Rules, Rule{
				plan.Direction(direction).String(), i + 1, rule.Name, cut(rule.Match.String()), rule.Verdict.String(), rule.Reason,
				decided != nil && int(q.Direction) == direction && decided.Index == i,
			})
		}
	}
}

// explanation returns what the page shows of one. c is nil for a pod that is not
// injected.
func (a *asked) explanation(e *explain.Explanation, q *explain.Question, c *config.Config) *Explanation {
	e.Workload = a.w.String()
	var text, svg strings.Builder
	_ = e.WriteText(&text, explain.Screen{}) // a Builder takes everything
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

// cut shortens a long list to what a page has room for.
func cut(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
