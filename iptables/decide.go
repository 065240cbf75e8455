package iptables

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shunt/apply"
	"shunt/plan"
)

// step is one commit: what one family's iptables-restore --noflush is given.
type step struct {
	family plan.Family
	text   string
	undo   string  // what puts back the rules that were there before
	noUndo error   // or why nothing can
	inUse  []error // chains of ours that stay, emptied
}

// decide returns the commits that turn what is live into what is wanted, none
// if that is so already. A family that is right and says that it is for another
// plan is rewritten along with one that is not right: otherwise switching IPv6 on
// or off would leave rules that name a plan that is not live.
func decide(live, want tables) ([]step, error) {
	var right [2]bool
	for i, fam := range families() {
		right[i] = want[i].equal(live[i], fam)
	}
	if right[0] && right[1] {
		return nil, nil
	}
	var steps []step
	for i, fam := range families() {
		if right[i] && want[i].sameStamps(live[i]) {
			continue
		}
		s := step{family: fam, inUse: live[i].kept(want[i], fam)}
		var err error
		if s.text, err = script(live[i], want[i]); err != nil {
			return nil, fmt.Errorf("%v: %w", fam, err)
		}
		s.undo, s.noUndo = script(want[i], live[i])
		steps = append(steps, s)
	}
	return steps, nil
}

// ruleSize is what most rules fit in: 15 ports and a name make some 180 bytes.
const ruleSize = 200

// script returns the text that turns one content of a family's nat table into
// another, in one commit. What others have there keeps its order and counters:
// jumps are deleted by what they say, never by their number.
func script(from, to *table) (string, error) {
	if err := checkSize(from, to); err != nil {
		return "", err
	}
	if err := checkLines(from, to); err != nil {
		return "", err
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
		t = to.chains[i].append(t, "-A", h.chain)
	}
	for i, h := range hooks() {
		t = appendJumps(t, h, from.jumps[i], to.jumps[i])
	}
	for i, h := range hooks() {
		if from.chains[i].present && !to.chains[i].present && len(from.foreign[i]) == 0 {
			t = append(appendCommand(t, "-X", h.chain), '\n')
		}
	}
	return string(append(t, "COMMIT\n"...)), nil
}

// appendDeclaration makes a chain, or empties it if it is there: --noflush
// leaves only those chains alone that the text does not declare.
func appendDeclaration(t []byte, chain string) []byte {
	return append(append(append(t, ':'), chain...), " - [0:0]\n"...)
}

func appendCommand(t []byte, command, chain string) []byte {
	return append(append(append(append(t, command...), ' '), chain...), ' ')
}

// append appends the chain's rules, a line each: of a chain that was read as
// they were spelled.
func (c *chain) append(t []byte, command, name string) []byte {
	for i, r := range c.rules {
		t = appendCommand(t, command, name)
		if c.specs != nil {
			t = append(t, c.specs[i]...)
		} else {
			t = appendSpec(t, r, stamped(apply.Comment(r.Name), r.Stamp))
		}
		t = append(t, '\n')
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

// checkSize refuses what was not read whole, or is planned too large.
func checkSize(from, to *table) error {
	for i, h := range hooks() {
		if n := to.chains[i].many; n > 0 {
			return fmt.Errorf("chain %s: %d rules, at most %d are allowed: %w", h.chain, n, MaxRules, ErrTooManyRules)
		}
		if from.many[i] || to.many[i] {
			return fmt.Errorf("chain %s: %w: more than %d of them lead to %s; flush it by hand", h.base, ErrTooLarge, MaxRules, h.chain)
		}
	}
	return nil
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
			return fmt.Errorf("the rule %q contains a line break, which iptables-restore cannot be given; delete the rule by hand", s)
		}
	}
	return nil
}
