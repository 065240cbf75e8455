package apply

import (
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"shunt/plan"
)

// Diff compares what is live with what is planned, as a unified diff: lines
// with a minus are live and should not be, lines with a plus are missing. It
// is empty when there is no difference in meaning.
func Diff(live, want State, line func(Rule) string) string {
	if live.Equal(want) {
		return ""
	}
	live = worthShowing(live, want)
	return string(diff.Diff("live", Text(live, line), "plan", Text(want, line)))
}

// worthShowing drops from the live state what acts on nothing, unless that is
// the only difference: a set whose rule was deleted says nothing beside the
// rule that is missing.
func worthShowing(live, want State) State {
	if acting := live.WithoutUnused(); !acting.Equal(want) {
		return acting
	}
	return live
}

// longLine is where a list of ports or subnets is broken up, an entry a line,
// so that a diff shows the entries that differ and not the whole list.
const longLine = 200

// Text returns a state for people and for comparison, a line a rule. A comment
// of somebody else's rule cannot begin a line of its own (plan.Printable).
func Text(s State, line func(Rule) string) []byte {
	var b []byte
	for _, sec := range s.Sections {
		b = append(append(b, sec.Place.String()...), '\n')
		if sec.Spec != "" {
			b = append(append(append(b, '\t'), plan.Printable(sec.Spec)...), '\n')
		}
		for _, stray := range slices.Concat(sec.Stray, sec.Unused) {
			b = append(append(append(b, "\t! "...), plan.Printable(stray)...), '\n')
		}
		for _, r := range sec.Rules {
			text := plan.Printable(line(r))
			if len(text) > longLine {
				text = strings.ReplaceAll(text, ", ", ",\n\t\t")
			}
			b = append(append(append(b, '\t'), text...), '\n')
		}
	}
	return b
}

// Change is one difference in one section.
type Change struct {
	Section string `json:"section"`
	Op      string `json:"op"` // "missing": planned and not live; "extra": live and not planned
	Line    string `json:"line"`
}

// Changes is Diff for programs.
func Changes(live, want State, line func(Rule) string) []Change {
	var out []Change
	live = worthShowing(live, want)
	for _, place := range places(want, live) {
		a, b := at(live, place), at(want, place)
		if len(a.Sections) == len(b.Sections) && a.Equal(b) {
			continue
		}
		text := diff.Diff("live", Text(a, line), "plan", Text(b, line))
		for _, l := range strings.Split(string(text), "\n") {
			switch {
			case strings.HasPrefix(l, "+++ "), strings.HasPrefix(l, "--- "):
			case strings.HasPrefix(l, "+"):
				out = append(out, Change{place.String(), "missing", strings.TrimSpace(l[1:])})
			case strings.HasPrefix(l, "-"):
				out = append(out, Change{place.String(), "extra", strings.TrimSpace(l[1:])})
			}
		}
	}
	return out
}

// places returns where the states have something, each place once.
func places(states ...State) []Place {
	var out []Place
	for _, s := range states {
		for _, sec := range s.Sections {
			if !slices.Contains(out, sec.Place) {
				out = append(out, sec.Place)
			}
		}
	}
	return out
}

// at returns the part of a state that is at a place.
func at(s State, p Place) State {
	var out State
	for _, sec := range s.Sections {
		if sec.Place == p {
			out.Sections = append(out.Sections, sec)
		}
	}
	return out
}
