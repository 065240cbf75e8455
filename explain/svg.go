package explain

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"shunt/plan"
)

// Where things stand in a drawing, in pixels.
const (
	track    = 36 // the line that the rules stand on
	siding   = 68 // the line of a connection that leaves it before its end
	textLeft = 92
	margin   = 12
	charName = 8.2 // of the monospaced fonts in use, the widest
	charText = 7.4
	lineHigh = 17
)

// The narrowest and the widest drawing, in pixels.
const (
	MinSVG = 300
	MaxSVG = 760
)

// WriteSVG draws the way of the connection through the rules of its first chain,
// from top to bottom: those that it passes, the one that decides, those that it
// never reaches, the proxy and its own connection, and where it ends. The drawing
// is so many pixels wide, within the bounds above, and follows the reader's
// setting for light and dark.
func (e *Explanation) WriteSVG(w io.Writer, width int) error {
	d := &drawing{width: min(max(width, MinSVG), MaxSVG), y: margin}
	d.explanation(e)
	height := d.y + margin
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" class="shunt-way" role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d">`,
		escaped(e.Connection+": "+verdict(e.Verdict)+". "+e.Why+". Lands on "+e.Lands+"."), d.width, height, d.width, height)
	fmt.Fprintf(w, "<style>%s</style>\n<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n", style, d.width-1, height-1)
	for _, layer := range []*bytes.Buffer{&d.areas, &d.lines, &d.marks} {
		if _, err := layer.WriteTo(w); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</svg>\n")
	return err
}

// The two colours are those of the two ways: to the proxy, and past it.
const style = `
.shunt-way{--paper:#fff;--edge:#d5dbe3;--ink:#17202b;--soft:#566170;--idle:#b4bdc9;--box:#f3f5f8;--past:#0a6f6a;--proxy:#4b3fc4;--past-tint:#e2f3f1;--proxy-tint:#eceafb;--on:#fff}
@media (prefers-color-scheme:dark){.shunt-way{--paper:#161c24;--edge:#313b48;--ink:#e8edf3;--soft:#9ba8b8;--idle:#4d5969;--box:#1f2732;--past:#43d3c5;--proxy:#aba4ff;--past-tint:#15322f;--proxy-tint:#29264d;--on:#10151b}}
.shunt-way text{font:13px ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.shunt-way .paper{fill:var(--paper);stroke:var(--edge)}
.shunt-way .box{fill:var(--box);stroke:var(--edge)}
.shunt-way .name{font-size:13px;font-weight:600}
.shunt-way .soft{font-size:12px;fill:var(--soft)}
.shunt-way .off{fill:var(--soft);font-weight:400}
.shunt-way .label{font:600 11px system-ui,sans-serif;letter-spacing:.07em;fill:var(--soft)}
.shunt-way .end{text-anchor:end}
.shunt-way .on{fill:var(--on);font-weight:600;text-anchor:middle}
.shunt-way .idle{fill:none;stroke:var(--idle);stroke-width:3;stroke-dasharray:2 6;stroke-linecap:round}
.shunt-way .way{fill:none;stroke-width:5;stroke-linecap:round;stroke-linejoin:round}
.shunt-way .dot{fill:var(--paper);stroke-width:3}
.shunt-way .past{--c:var(--past);--t:var(--past-tint)}
.shunt-way .proxy{--c:var(--proxy);--t:var(--proxy-tint)}
.shunt-way .way,.shunt-way .dot{stroke:var(--c,var(--idle))}
.shunt-way .full{fill:var(--c)}
.shunt-way .tint{fill:var(--t)}
`

// drawing is a drawing while it is made: three layers, the last on top, and how
// far down it has come.
type drawing struct {
	areas, lines, marks bytes.Buffer
	width, y            int
}

// escaped is a text within an element or an attribute. It does without packages
// html and encoding/xml, which the plugin would link.
func escaped(text string) string {
	text = strings.ReplaceAll(plan.Printable(text), "&", "&amp;")
	for _, c := range []string{`<lt`, `>gt`, `"quot`} {
		text = strings.ReplaceAll(text, c[:1], "&"+c[1:]+";")
	}
	return text
}

func (d *drawing) explanation(e *Explanation) {
	redirected := e.Verdict.Action == "redirect"
	class := "past"
	if redirected {
		class = "proxy"
	}
	title, in := "user "+number(e.question.UID)+", group "+number(e.question.GID), "in "+e.Workload
	if e.question.Direction == plan.Inbound {
		title, in = e.question.source(), "to "+e.Workload
	}
	if e.Workload == "" {
		in = ""
	}
	start := d.box(title, in, track, class)
	lane := track
	if len(e.Chains) > 0 {
		start, lane = d.chain(&e.Chains[0], start, class, e.untouched)
	} else {
		d.y += 26
	}
	if redirected {
		at := d.box(fmt.Sprintf("the proxy, port %d", e.Verdict.Port), "knows from the socket where it was going", lane, class)
		d.way(class, "M%d,%d V%d", lane, start, at)
		start = d.onward(e.onward, at)
		class = "past"
	}
	note := ""
	switch {
	case redirected:
		note = "by way of the proxy"
	case len(e.Chains) == 0 || !e.decides():
		note = e.Why
	case e.question.Direction == plan.Inbound:
		note = "without the proxy"
	default:
		note = "where it was going, without the proxy"
	}
	d.way(class, "M%d,%d V%d", lane, start, d.box(e.question.destination(), note, lane, class))
}

// decides reports whether one of the first chain's rules decides.
func (e *Explanation) decides() bool {
	for i := range e.Chains[0].Rules {
		if e.Chains[0].Rules[i].Decides {
			return true
		}
	}
	return false
}

// chain draws the rules below a start, and returns where the connection leaves
// them and on which line. A connection that they are not written for passes them
// on the siding.
func (d *drawing) chain(c *Chain, start int, class string, untouched bool) (at, lane int) {
	d.y += 26
	d.text(textLeft, d.y, "label", strings.ToUpper(c.Name)+" RULES")
	d.y += 10
	const reached, decides, idle = 0, 1, 2
	state, lane, turn, last := reached, track, 0, start
	if untouched {
		state, lane, turn = idle, siding, start
	}
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Decides {
			state = decides
		}
		at := d.rule(r, state, class)
		if state == idle {
			d.line("idle", "M%d,%d V%d", track, last+8, at)
		} else {
			d.way(class, "M%d,%d V%d", track, last, at)
		}
		last = at
		if state == decides {
			state = idle
			if i+1 < len(c.Rules) { // straight on is the way of the others
				lane, turn = siding, at
			}
		}
	}
	if lane == siding {
		const down = 40
		d.way(class, "M%d,%d C%d,%d %d,%d %d,%d", track, turn, track, turn+26, siding, turn+14, siding, turn+down)
		return turn + down, lane
	}
	return last, lane
}

// rule draws one rule, and returns where it is on the line: one that the
// connection passes, the one that decides, or one that it does not reach.
func (d *drawing) rule(r *Rule, state int, class string) int {
	says := [...]string{"no match", r.verdict(), "not reached"}[state]
	name := fmt.Sprintf("%d %s", r.Number, r.Name)
	match := wrap(r.Match, int(float64(d.width-textLeft-margin-8)/charText), 3)
	beside := float64(d.width-textLeft-2*margin) > float64(utf8.RuneCountInString(name)+utf8.RuneCountInString(says)+3)*charName
	high := 14 + lineHigh*(1+len(match))
	if !beside {
		high += lineHigh + 3
	}
	y, nameClass, matchClass := d.y+22, "name", "soft"
	switch state {
	case 0:
		d.dot("dot "+class, track, y-4, 6)
	case 1:
		fmt.Fprintf(&d.areas, "<rect class=\"tint %s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", class, margin, d.y, d.width-2*margin, high)
		d.dot("tint "+class, track, y-4, 14)
		d.dot("full "+class, track, y-4, 10)
		d.dot("dot "+class, track, y-4, 4)
	case 2:
		nameClass, matchClass = "name off", "soft off"
		d.dot("dot", track, y-4, 5)
	}
	d.text(textLeft, y, nameClass, name)
	says1 := y
	for i, line := range match {
		d.text(textLeft, y+lineHigh*(1+i), matchClass, line)
	}
	if !beside {
		says1 = y + lineHigh*(1+len(match)) + 3
	}
	wide := int(float64(utf8.RuneCountInString(says))*charName) + 16
	x := d.width - 2*margin - wide
	if !beside {
		x = textLeft
	}
	if state == 1 {
		fmt.Fprintf(&d.marks, "<rect class=\"full %s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"21\" rx=\"10.5\"/>\n", class, x, says1-15, wide)
		d.text(x+wide/2, says1, "on", says)
	} else if beside {
		d.text(d.width-2*margin, says1, "soft end", says)
	} else {
		d.text(textLeft, says1, "soft", says)
	}
	d.y += high + 4
	return y - 4
}

// onward draws the proxy's own connection, and returns where it leaves its rule.
func (d *drawing) onward(o *onward, from int) int {
	if o == nil {
		d.y += 26
		return from
	}
	d.y += 26
	for i, line := range wrap(o.what, int(float64(d.width-textLeft-margin)/charText), 2) {
		if i > 0 {
			d.y += lineHigh
		}
		d.text(textLeft, d.y, "soft", line)
	}
	d.y += 6
	at := d.rule(&o.rule, 1, "past")
	d.way("past", "M%d,%d V%d", track, from, at)
	d.y += 14
	return at
}

// box draws where a connection begins, is or ends, and returns where on the line.
func (d *drawing) box(title, note string, lane int, class string) int {
	chars := float64(d.width - textLeft - 2*margin)
	var notes []string
	if note != "" {
		notes = wrap(note, int(chars/charText), 4)
	}
	titles := wrap(title, int(chars/charName), 2)
	high := 18 + lineHigh*(len(titles)+len(notes))
	d.y += 6
	fmt.Fprintf(&d.areas, "<rect class=\"box\" x=\"%d.5\" y=\"%d.5\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", margin, d.y, d.width-2*margin-1, high)
	at := d.y + high/2
	d.dot("full "+class, lane, at, 9)
	d.dot("dot "+class, lane, at, 4)
	y := d.y + 22
	for _, line := range titles {
		d.text(textLeft, y, "name", line)
		y += lineHigh
	}
	for _, line := range notes {
		d.text(textLeft, y, "soft", line)
		y += lineHigh
	}
	d.y += high
	return at
}

func (d *drawing) text(x, y int, class, text string) {
	fmt.Fprintf(&d.marks, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, x, y, escaped(text))
}

func (d *drawing) dot(class string, x, y, r int) {
	fmt.Fprintf(&d.marks, "<circle class=\"%s\" cx=\"%d\" cy=\"%d\" r=\"%d\"/>\n", class, x, y, r)
}

func (d *drawing) line(class, path string, args ...any) {
	fmt.Fprintf(&d.lines, "<path class=\"%s\" d=\"%s\"/>\n", class, fmt.Sprintf(path, args...))
}

func (d *drawing) way(class, path string, args ...any) { d.line("way "+class, path, args...) }

// wrap breaks a text into lines of so many characters, after spaces and commas
// where there are any; what does not fit the last line is cut.
func wrap(text string, chars, lines int) []string {
	var out []string
	for rest := []rune(plan.Printable(text)); len(rest) > 0; {
		end := len(rest)
		if end > chars {
			end = chars
			if len(out) == lines-1 {
				return append(out, strings.TrimSpace(string(rest[:chars-1]))+"…")
			}
			for i := end; i > chars/2; i-- {
				if rest[i-1] == ' ' || rest[i-1] == ',' {
					end = i
					break
				}
			}
		}
		out = append(out, strings.TrimSpace(string(rest[:end])))
		rest = rest[end:]
	}
	return out
}
