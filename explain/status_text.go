package explain

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"shunt/plan"
)

// Screen is what text is written for. The zero Screen is a file.
type Screen struct {
	Width  int  // in columns; 0: not known, lines are as long as they are
	Colour bool // escape sequences are understood
}

// WriteText writes the status for people.
func (s *Status) WriteText(w io.Writer, screen Screen) error {
	var b strings.Builder
	field := func(label, text string) { screen.field(&b, label, text) }
	if s.Verdict == NoRules {
		field("Rules", "none of shunt's or of Linkerd's proxy-init")
	} else {
		field("Rules", fmt.Sprintf("%s, table %s, %s", s.Backend, s.Table, s.origin()))
		field("Drift", s.drift())
	}
	field("IPv6", s.ipv6())
	for _, l := range s.Leftovers {
		field("Leftover", l)
	}
	for i := range s.Chains {
		screen.chain(&b, &s.Chains[i])
	}
	if len(s.Others) > 0 {
		fmt.Fprintln(&b, "\nOthers on the way")
		for i := range s.Others {
			screen.other(&b, &s.Others[i])
		}
	}
	fmt.Fprintln(&b)
	field("Verdict", screen.paint(s.colour(), string(s.Verdict)))
	label := "Why"
	for _, why := range s.Why {
		field(label, why)
		label = ""
	}
	label = "Next"
	for _, step := range s.Next {
		field(label, step)
		label = ""
	}
	for _, u := range s.Unread {
		field("Not read", u)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// origin says who wrote the rules.
func (s *Status) origin() string {
	switch {
	case s.Version == "":
		return "by somebody who left no stamp"
	case s.Plan == "":
		return "by " + s.Version
	case s.Exception != "":
		return fmt.Sprintf("by shunt %s for plan %s, with exception %s", s.Version, s.Plan, s.Exception)
	}
	return fmt.Sprintf("by shunt %s for plan %s", s.Version, s.Plan)
}

func (s *Status) drift() string {
	switch {
	case s.Drift && s.HeldAgainst == "settings":
		return "yes, against the settings that were given"
	case s.Drift:
		return "yes, they are not what their stamp says"
	case s.HeldAgainst == "nothing":
		return "not known, nothing says what they should be"
	case s.OtherSpelling:
		return "none in effect; other rules than those of the settings that were given"
	case s.HeldAgainst == "settings":
		return "none against the settings that were given"
	}
	return "none, they are as they were written"
}

func (s *Status) ipv6() string {
	address := "there is no IPv6 address beyond link-local"
	if s.IPv6Address {
		address = "there is an IPv6 address"
	}
	switch {
	case s.IPv6:
		return "covered; " + address
	case s.Verdict == NoRules:
		return address
	}
	return "not covered; " + address
}

// colour returns the number of the verdict's colour (ECMA-48, 8.3.117).
func (s *Status) colour() int {
	switch s.Verdict {
	case InOrder:
		return green
	case LookAtIt:
		return yellow
	}
	return red
}

// Diff gives the lines of a unified diff their colours.
func (sc Screen) Diff(text string) string {
	if !sc.Colour {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, end := strings.CutSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "-"):
			line = sc.paint(red, line)
		case strings.HasPrefix(line, "+"):
			line = sc.paint(green, line)
		case strings.HasPrefix(line, "@@"):
			line = sc.paint(cyan, line)
		}
		if b.WriteString(line); end {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Colours as numbers of SGR sequences (ECMA-48, 8.3.117).
const (
	red    = 31
	green  = 32
	yellow = 33
	cyan   = 36
)

// paint gives a text a colour, where colours are understood.
func (sc Screen) paint(colour int, text string) string {
	if !sc.Colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}

// labelled is where a field's text begins.
const labelled = 10

// field writes a label and a text beside it, which goes on below itself where it is
// too long. A text with a colour is short.
func (sc Screen) field(b *strings.Builder, label, text string) {
	if !strings.HasPrefix(text, "\x1b") {
		text = plan.Printable(text)
	}
	sc.hang(b, fmt.Sprintf("%-*s", labelled, label), text)
}

// hang writes a text behind a head, and breaks it between words where it is wider
// than the screen; what follows is indented as the head is wide.
func (sc Screen) hang(b *strings.Builder, head, text string) {
	column := utf8.RuneCountInString(head)
	b.WriteString(head)
	at := column
	for i, word := range strings.Split(text, " ") {
		size := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case sc.Width > 0 && at+1+size > sc.Width && at > column:
			fmt.Fprintf(b, "\n%*s", column, "")
			at = column
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += size
	}
	b.WriteByte('\n')
}

// chain writes a chain's rules, a line each: what does not fit is cut from the
// matches.
func (sc Screen) chain(b *strings.Builder, c *Chain) {
	fmt.Fprintf(b, "\n%s\n", plan.Printable(c.Name))
	rows := make([][4]string, len(c.Rules))
	var width [4]int
	for i := range c.Rules {
		r := &c.Rules[i]
		rows[i] = [4]string{plan.Printable(fmt.Sprintf("%c %d %s", mark(r.Decides), r.Number, r.Name)), plan.Printable(shorten(r.Match)), plan.Printable(r.verdict())}
		if r.Packets != nil {
			rows[i][3] = plural(*r.Packets, "packet")
		}
		for n, cell := range rows[i] {
			width[n] = max(width[n], utf8.RuneCountInString(cell))
		}
	}
	if rest := sc.Width - width[0] - width[2] - width[3] - 3*2; sc.Width > 0 {
		const least = 4
		width[1] = min(width[1], max(rest, least))
	}
	const most, head, tail = 40, 30, 5 // a list that iptables holds may take thousands of rules
	for i, r := range rows {
		if n := len(rows); n > most && i >= head && i < n-tail && !c.Rules[i].Decides {
			if i == head {
				fmt.Fprintf(b, "    … %d more\n", n-head-tail)
			}
			continue
		}
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %*s", width[0], r[0], width[1], cut(r[1], width[1]), width[2], r[2], width[3], r[3])
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
}

// mark points to the rule that decides.
func mark(decides bool) rune {
	if decides {
		return '>'
	}
	return ' '
}

// other writes a chain of somebody else's, and its rules.
func (sc Screen) other(b *strings.Builder, o *Other) {
	can := plan.Printable("can " + o.Can)
	switch {
	case o.Can == "nothing":
		can = "decides nothing"
	case o.decides():
		can = sc.paint(yellow, can)
	}
	sc.hang(b, "  ", plan.Printable(fmt.Sprintf("%s (%s %s, priority %d), %s: ", o.Chain, o.Kind, o.Hook, o.Priority, o.Order))+can)
	for _, line := range o.lines() {
		sc.hang(b, "    - ", plan.Printable(line))
	}
}

// cut shortens a text to a number of columns.
func cut(text string, columns int) string {
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	runes := []rune(text)
	return string(runes[:columns-1]) + "…"
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
