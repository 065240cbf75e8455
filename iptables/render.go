package iptables

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shunt/plan"
)

// Render returns the plan as text for iptables-restore --noflush. With IPv6 the
// same text serves ip6tables-restore: each of the two commands passes over the
// lines that begin with the other one's -4 or -6. It is meant for a namespace
// that has no jumps yet; Apply leaves those out that are there.
func (b *Backend) Render(p plan.Plan) string {
	t := fmt.Appendf(nil, "# %s --noflush\n", b.command(plan.IPv4, "restore"))
	if p.IPv6 {
		t = fmt.Appendf(t, "# %s --noflush\n", b.command(plan.IPv6, "restore"))
	}
	t = append(t, "*nat\n"...)
	for _, h := range hooks() {
		t = appendDeclaration(t, h.chain)
	}
	for i, rules := range [2][]plan.Rule{p.Inbound, p.Outbound} {
		for n, r := range rules {
			c := chain{}
			if n == len(rules)-1 {
				c.stamp = b.opt.Stamp
			}
			t = c.appendRendered(t, hooks()[i].chain, r, p.IPv6)
		}
	}
	for _, h := range hooks() {
		t = append(appendCommand(t, "-A", h.base), lineOf(jumpRule(h, plan.Any))...)
		t = append(t, '\n')
	}
	return string(append(t, "COMMIT\n"...))
}

// appendRendered writes one rule of the plan for one family or for both.
func (c chain) appendRendered(t []byte, name string, r plan.Rule, ipv6 bool) []byte {
	write := func(command string, fam plan.Family) {
		c.rules = appendPrimitive(nil, r, fam)
		t = c.appendRules(t, command, name)
	}
	switch {
	case !ipv6:
		write("-A", plan.IPv4)
	case len(r.Match.Src)+len(r.Match.Dst) == 0 && r.Match.Family == plan.Any:
		write("-A", plan.IPv4) // the same in both
	default:
		write("-4 -A", plan.IPv4)
		write("-6 -A", plan.IPv6)
	}
	return t
}

// ruleSize is what most rules fit in: 15 ports and a name make some 180 bytes.
const ruleSize = 200

// script returns the text that turns one content of a family's nat table into
// another, in one commit. What others have there keeps its order and counters:
// jumps are deleted by what they say, never by their number.
func script(from, to *table) ([]byte, error) {
	if err := checkLines(from, to); err != nil {
		return nil, err
	}
	size := 0
	for _, c := range to.chains {
		size += len(c.rules)
	}
	t := append(make([]byte, 0, 1<<10+size*ruleSize), "*nat\n"...)
	for i, h := range hooks() {
		if from.chains[i].present || to.chains[i].present {
			t = appendDeclaration(t, h.chain)
		}
	}
	for i, h := range hooks() {
		t = to.chains[i].appendRules(t, "-A", h.chain)
	}
	for i, h := range hooks() {
		t = appendJumps(t, h, from.jumps[i], to.jumps[i])
	}
	for i, h := range hooks() {
		if from.chains[i].present && !to.chains[i].present && len(from.foreign[i]) == 0 {
			t = append(appendCommand(t, "-X", h.chain), '\n')
		}
	}
	return append(t, "COMMIT\n"...), nil
}

// appendDeclaration makes a chain, or empties it if it is there: --noflush
// leaves only those chains alone that the text does not declare.
func appendDeclaration(t []byte, chain string) []byte {
	return append(append(append(t, ':'), chain...), " - [0:0]\n"...)
}

func appendCommand(t []byte, command, chain string) []byte {
	return append(append(append(append(t, command...), ' '), chain...), ' ')
}

func (c *chain) appendRules(t []byte, command, name string) []byte {
	for i := range c.rules {
		t = append(c.appendRule(appendCommand(t, command, name), i), '\n')
	}
	return t
}

// appendJumps writes what turns one list of jumps into another. A single jump
// that is right stays where it is; of several right ones one stays, the last
// if they read the same, because a deletion takes the first that matches.
func appendJumps(t []byte, h hook, from, to []jump) []byte {
	right := func(j jump) bool { return len(to) == 1 && j.rule.Equal(to[0].rule) }
	stays := slices.ContainsFunc(from, right)
	spare := stays
	for _, j := range from {
		if spare && right(j) {
			spare = false
			continue
		}
		t = append(append(appendCommand(t, "-D", h.base), j.spec...), '\n')
	}
	if stays {
		return t
	}
	for _, j := range to {
		if j.position == 0 {
			t = appendCommand(t, "-A", h.base)
		} else {
			t = append(strconv.AppendInt(appendCommand(t, "-I", h.base), int64(j.position), 10), ' ')
		}
		t = append(append(t, j.spec...), '\n')
	}
	return t
}

// checkLines refuses rules that were read and cannot be written in one line: a
// comment may hold a line end, and what follows it would be read as a command.
func checkLines(from, to *table) error {
	var specs []string
	for i := range to.chains {
		specs = append(specs, to.chains[i].specs...)
		for _, j := range slices.Concat(from.jumps[i], to.jumps[i]) {
			specs = append(specs, j.spec)
		}
	}
	for _, s := range specs {
		if strings.ContainsAny(s, "\n\r") {
			return fmt.Errorf("the rule %q has a line end in it, which iptables-restore cannot be told; delete the rule by hand", s)
		}
	}
	return nil
}
