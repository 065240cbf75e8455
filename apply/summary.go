package apply

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shunt/plan"
)

// Summary says in one line how what is live differs from the plan; "" if it does
// not.
func (c Comparison) Summary() string {
	if c.Equal() {
		return ""
	}
	live, want := worthShowing(c.Live, c.Want), c.Want
	var parts []string
	if live.Empty() {
		parts = append(parts, fmt.Sprintf("no rules are live, %d are missing", want.count()))
	} else {
		if live.coversIPv6() != want.coversIPv6() {
			if want.coversIPv6() {
				parts = append(parts, "IPv6 is not covered")
			} else {
				parts = append(parts, "IPv6 is covered, and should not be")
			}
			if p, ok := Recover(want); ok && c.expand != nil {
				p.IPv6 = !p.IPv6 // so that the rest can be compared
				want = c.expand(p)
			}
		}
		if rules := c.differing(live, want); len(rules) > 0 {
			parts = append(parts, plural(len(rules), "rule differs", "rules differ")+": "+strings.Join(few(rules), ", "))
		}
		for _, sec := range live.Sections {
			for _, line := range slices.Concat(sec.Stray, sec.Unused) {
				parts = append(parts, sec.Place.String()+" has what it should not: "+line)
			}
			if i := slices.IndexFunc(want.Sections, func(w Section) bool { return w.Place == sec.Place }); i >= 0 && sec.Spec != want.Sections[i].Spec {
				parts = append(parts, fmt.Sprintf("%s is %q and should be %q", sec.Place, sec.Spec, want.Sections[i].Spec))
			}
		}
	}
	for _, o := range c.Others {
		parts = append(parts, fmt.Sprintf("%s holds rules as well (%s)", o.Owner, o.State.Sections[0].Place))
	}
	text := strings.Join(few(parts), "; ")
	if !live.Empty() {
		text += "; equal otherwise"
	}
	return plan.Printable(text)
}

// differing names the rules that are missing, extra, or not as they should be.
func (c Comparison) differing(live, want State) (out []string) {
	for _, place := range places(want, live) {
		var a, b []Rule
		for _, sec := range at(live, place).Sections {
			a = append(a, sec.Rules...)
		}
		for _, sec := range at(want, place).Sections {
			b = append(b, sec.Rules...)
		}
		extra, missing := c.without(a, b), c.without(b, a)
		say := func(r Rule, how string) {
			name := r.Title()
			if r.Name == "" {
				name = strconv.Quote(c.line(r))
			}
			out = append(out, fmt.Sprintf("%s %s (%s)", name, how, place))
		}
		others := map[string]int{} // what is there in the place of missing ones
		for _, r := range extra {
			others[r.Name]++
		}
		changed := map[string]int{}
		for _, r := range missing {
			if others[r.Name] > changed[r.Name] {
				changed[r.Name]++
				say(r, "changed")
			} else {
				say(r, "missing")
			}
		}
		for _, r := range extra {
			switch {
			case changed[r.Name] > 0:
				changed[r.Name]--
			case r.Foreign():
				say(r, "not shunt's")
			default:
				say(r, "extra")
			}
		}
		if len(missing)+len(extra) == 0 {
			for i := range a {
				if !a[i].Equal(b[i]) {
					say(a[i], "out of order")
					break
				}
			}
		}
	}
	return out
}

// without returns the rules of a list that are not in another, each as often as it
// is there too often.
func (c Comparison) without(list, other []Rule) (out []Rule) {
	have := make(map[string]int, len(other))
	for _, r := range other {
		have[c.line(r)]++
	}
	for _, r := range list {
		if line := c.line(r); r.NotUnderstood == "" && have[line] > 0 {
			have[line]--
			continue
		}
		out = append(out, r)
	}
	return out
}

// few returns the first of a list, and how many more there are.
func few(list []string) []string {
	const most = 8
	if len(list) <= most {
		return list
	}
	return append(slices.Clip(list[:most]), fmt.Sprintf("and %d more", len(list)-most))
}

func (s State) count() (n int) {
	for _, sec := range s.Sections {
		n += len(sec.Rules)
	}
	return n
}

// coversIPv6 reports whether any of the rules is for IPv6.
func (s State) coversIPv6() bool {
	return slices.ContainsFunc(s.Sections, func(sec Section) bool { return len(sec.Rules) > 0 && sec.Family != plan.IPv4 })
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
