package iptables

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

// ErrIncompatible: the nat table holds rules that only nft understands, so that
// iptables cannot read it.
var ErrIncompatible = errors.New("the nat table holds rules that only nft understands")

// incompatible is what iptables-nft-save prints in the place of such rules. It
// exits with 0 then.
const incompatible = "is incompatible"

// Bounds of what is kept of a table. Whoever may write rules can make it as
// large as the kernel takes.
const (
	lineLimit    = 64 << 10 // bytes of one rule; a comment has at most 255
	foreignLimit = 10       // rules of others that lead to a chain of ours: they are only named
)

// saveReader reads the output of iptables-save -c for one family, as it is
// written to it. It understands the rules of our chains and those that lead to
// them from the base chains where ours hang; other rules are not ours, whatever
// they say.
type saveReader struct {
	family plan.Family
	rules  bool // keep those of our chains

	table     *table
	position  [2]int // in each hook's base chain
	nat, open bool   // in the nat table; in any
	rest      []byte // a line that is not complete yet
	err       error
}

func newSaveReader(fam plan.Family, rules bool) *saveReader {
	return &saveReader{family: fam, rules: rules, table: &table{}}
}

// Write implements io.Writer. Its error ends the command that writes.
func (r *saveReader) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	rest := r.rest
	for r.err == nil {
		n := lineEnd(rest)
		if n < 0 {
			break
		}
		r.line(string(rest[:n]))
		rest = rest[n+1:]
	}
	r.rest = append(r.rest[:0], rest...)
	if r.err == nil && len(r.rest) > lineLimit {
		r.err = fmt.Errorf("a rule is longer than %d bytes", lineLimit)
	}
	if r.err != nil {
		return 0, r.err
	}
	return len(p), nil
}

// end returns the table when all was written. Output that stops before its
// COMMIT is an error.
func (r *saveReader) end() (*table, error) {
	if r.err == nil && len(r.rest) > 0 {
		r.line(string(r.rest))
	}
	if r.err == nil && r.open {
		r.err = errors.New("the output ends before the table's COMMIT")
	}
	return r.table, r.err
}

func (r *saveReader) line(line string) {
	switch {
	case line == "":
	case line[0] == '#':
		if strings.Contains(line, incompatible) {
			r.err = ErrIncompatible
		}
	case line[0] == '*':
		r.nat, r.open = line == "*nat", true
	case line == "COMMIT":
		r.nat, r.open = false, false
	case r.nat && line[0] == ':':
		name, _, _ := strings.Cut(line[1:], " ")
		if i := ourChain(name); i >= 0 {
			r.table.chains[i].present = true
		}
	case r.nat:
		r.rule(line)
	}
}

// rule reads one line "[packets:bytes] -A CHAIN SPEC".
func (r *saveReader) rule(line string) {
	counter, line := cutCounter(line)
	rest, ok := strings.CutPrefix(line, "-A ")
	if !ok {
		return
	}
	chain, spec, _ := strings.Cut(strings.TrimRight(rest, " "), " ") // 1.4 ends some lines with a blank
	if i := ourChain(chain); i >= 0 {
		r.table.chains[i].present = true
		if r.rules {
			r.table.chains[i].read(spec, r.family, counter)
		}
		return
	}
	base := baseChain(chain)
	if base >= 0 {
		r.position[base]++
	}
	target := leadsTo(spec)
	switch {
	case target < 0:
	case base >= 0 && len(r.table.jumps[base]) == MaxRules:
		r.table.many[base] = true
	case base >= 0:
		j := jump{parseRule(spec, r.family, counter), spec, r.position[base]}
		r.table.jumps[base] = append(r.table.jumps[base], j)
	case len(r.table.foreign[target]) < foreignLimit:
		r.table.foreign[target] = append(r.table.foreign[target], line)
	}
}

// read adds a rule that was read, or forgets all if there are too many.
func (c *chain) read(spec string, fam plan.Family, counter *apply.Counter) {
	switch {
	case c.many > 0:
		c.many++
	case len(c.rules) == MaxRules:
		c.rules, c.specs, c.many = nil, nil, MaxRules+1
	default:
		c.rules = append(c.rules, parseRule(spec, fam, counter))
		c.specs = append(c.specs, spec)
	}
}

// lineEnd returns where the first line of text ends, or -1. A line end within
// double quotes is part of its line: iptables-save prints comments as they are,
// and a comment may hold one. Lines that begin with '#' have no quotes.
func lineEnd(text []byte) int {
	end := bytes.IndexByte(text, '\n')
	if end < 0 || text[0] == '#' {
		return end
	}
	first := bytes.IndexByte(text[:end], '"')
	if first < 0 {
		return end
	}
	quoted := false
	for i := first; i < len(text); i++ {
		switch text[i] {
		case '\n':
			if !quoted {
				return i
			}
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		}
	}
	return -1
}

// cutCounter cuts "[packets:bytes] " off a line. It returns nil for the counter if
// the line does not begin with one.
func cutCounter(line string) (*apply.Counter, string) {
	if !strings.HasPrefix(line, "[") {
		return nil, line
	}
	inner, rest, _ := strings.Cut(line[1:], "] ")
	packets, bytes, _ := strings.Cut(inner, ":")
	p, ok1 := number(packets, 1<<64-1)
	b, ok2 := number(bytes, 1<<64-1)
	if !ok1 || !ok2 {
		return nil, rest
	}
	return &apply.Counter{Packets: p, Bytes: b}, rest
}

// number reads decimal digits, as iptables-save prints numbers.
func number(s string, limit uint64) (uint64, bool) {
	if len(s) > 1 && s[0] == '0' || s == "" || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}

func ourChain(name string) int {
	for i, h := range hooks() {
		if name == h.chain {
			return i
		}
	}
	return -1
}

func baseChain(name string) int {
	for i, h := range hooks() {
		if name == h.base {
			return i
		}
	}
	return -1
}

// leadsTo returns which of our chains a rule jumps or goes to, or -1. The
// target comes last: the same words elsewhere are somebody's comment.
func leadsTo(spec string) int {
	i := strings.LastIndexByte(spec, ' ')
	if i < 0 {
		return -1
	}
	target := ourChain(spec[i+1:])
	if target < 0 {
		return -1
	}
	var option, last string
	for t := (tokens{spec}); ; {
		_, raw, ok := t.next()
		if !ok {
			break
		}
		option, last = last, raw
	}
	if (option == "-j" || option == "-g") && last == hooks()[target].chain {
		return target
	}
	return -1
}
