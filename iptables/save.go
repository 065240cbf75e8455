package iptables

import (
	"errors"
	"strconv"
	"strings"

	"shunt/plan"
)

// errIncompatible: iptables-nft prints it in the place of the rules when the
// table holds something that only nft can say, and exits with 0.
var errIncompatible = errors.New("the nat table holds rules that only nft understands, so that iptables cannot read it; remove those rules, or use --backend nftables")

// saveReader reads the output of iptables-save -c for one family.
type saveReader struct {
	family   plan.Family
	table    *table
	position [2]int // in each hook's base chain
}

// parseSave reads the output of iptables-save -c. It understands the rules of
// our chains and those that lead to them from the base chains where ours hang;
// other rules are not ours, whatever they say. Output that stops before its
// COMMIT is an error.
func parseSave(text string, fam plan.Family) (*table, error) {
	r := saveReader{family: fam, table: &table{}}
	nat, open := false, false
	for text != "" {
		var line string
		line, text = cutLine(text)
		switch {
		case line == "":
		case line[0] == '#':
			if strings.Contains(line, "is incompatible") {
				return nil, errIncompatible
			}
		case line[0] == '*':
			nat, open = line == "*nat", true
		case line == "COMMIT":
			nat, open = false, false
		case nat && line[0] == ':':
			name, _, _ := strings.Cut(line[1:], " ")
			if i := ourChain(name); i >= 0 {
				r.table.chains[i].present = true
			}
		case nat:
			r.rule(line)
		}
	}
	if open {
		return nil, errors.New("the output ends before the table's COMMIT")
	}
	return r.table, nil
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
		c := &r.table.chains[i]
		c.present = true
		c.rules = append(c.rules, parseRule(spec, r.family, counter))
		c.specs = append(c.specs, spec)
		return
	}
	base := baseChain(chain)
	if base >= 0 {
		r.position[base]++
	}
	target := leadsTo(spec)
	switch {
	case target < 0:
	case base >= 0:
		j := jump{parseRule(spec, r.family, counter), spec, r.position[base]}
		r.table.jumps[base] = append(r.table.jumps[base], j)
	default:
		r.table.foreign[target] = append(r.table.foreign[target], line)
	}
}

// cutCounter cuts "[packets:bytes] " off a line. It returns nil for the counter if
// the line does not begin with one.
func cutCounter(line string) (*plan.Counter, string) {
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
	return &plan.Counter{Packets: p, Bytes: b}, rest
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
