package main

import (
	"os"
	"os/exec"
	"strings"

	"shunt/bench/lists"
)

// The contenders of the iptables tables.
const (
	bareRestores = "two bare restores"
	bareSaves    = "two bare saves"
	onePerRule   = "one iptables a rule"
)

// iptables measures the iptables backend with one variant of the commands.
func (b *bench) iptables(variant string) error {
	if _, err := exec.LookPath("iptables-" + variant + "-restore"); err != nil {
		return err
	}
	t := table{
		title: "iptables-" + variant,
		text: "The bare restores (`--noflush`, one a family) load the same rules; changed, without the jumps, which are there. " +
			"One iptables a rule is what the tools in the field do, with fewer ports.",
		head: costHead(),
	}
	defer func() { b.tables = append(b.tables, t) }()
	for _, c := range []struct {
		rules
		fresh, change float64 // limits; 0 for none
		singly        bool
	}{
		{rules: b.standard(), singly: true},
		{rules: rules{name: "100 + 100 ports", ports: 100}, singly: true},
		{rules: rules{name: "1,000 + 1,000 ports", ports: 1000}},
		{rules: rules{name: "5,000 + 5,000 ports", ports: 5000}, fresh: 2.3, change: 2.8},
	} {
		if err := b.iptablesRules(&t, variant, c.rules, c.fresh, c.change, c.singly); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) iptablesRules(t *table, variant string, r rules, fresh, change float64, singly bool) error {
	backend := []string{"--backend", "iptables", "--iptables-mode", variant}
	before, err := b.flags(r, lists.Before)
	if err != nil {
		return err
	}
	after, err := b.flags(r, lists.After)
	if err != nil {
		return err
	}
	before, after = append(before, backend...), append(after, backend...)
	textBefore, err := b.plan("iptables", before)
	if err != nil {
		return err
	}
	textAfter, err := b.plan("iptables", after)
	if err != nil {
		return err
	}
	if err := b.withoutJumps(textAfter); err != nil {
		return err
	}
	shunt := func(flags []string) []command {
		return []command{{args: append([]string{b.shunt, "init", "--ipv6"}, flags...)}}
	}
	both := func(verb string, stdin string, args ...string) (commands []command) {
		for _, name := range []string{"iptables", "ip6tables"} {
			commands = append(commands, command{args: append([]string{name + "-" + variant + "-" + verb}, args...), stdin: stdin})
		}
		return commands
	}
	restores := func(file string) []command { return both("restore", file, "--noflush", "-w", "5") }

	first := []contender{
		{"shunt", nil, shunt(before)},
		{bareRestores, nil, restores(textBefore)},
	}
	if singly {
		text, err := os.ReadFile(textBefore)
		if err != nil {
			return err
		}
		first = append(first, contender{onePerRule, nil, iptablesCommands(variant, string(text))})
	}
	for _, c := range []contest{
		{r.name, "fresh", first, limitOn(bareRestores, fresh)},
		{r.name, "changed", []contender{
			{"shunt", shunt(before), shunt(after)},
			{bareRestores, restores(textBefore), restores(textAfter)},
		}, limitOn(bareRestores, change)},
		{r.name, "unchanged", []contender{
			{"shunt", shunt(before), shunt(before)},
			{bareSaves, restores(textBefore), both("save", "", "-t", "nat")},
		}, nil},
	} {
		if err := b.hold(t, c); err != nil {
			return err
		}
	}
	return nil
}

// withoutJumps takes the jumps out of a file for iptables-restore.
func (b *bench) withoutJumps(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var kept strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "-A PREROUTING ") && !strings.HasPrefix(line, "-A OUTPUT ") {
			kept.WriteString(line)
		}
	}
	return os.WriteFile(file, []byte(kept.String()), 0o600)
}

// iptablesCommands turns text for iptables-restore into calls of iptables and
// ip6tables: one a chain and a rule.
func iptablesCommands(variant, text string) []command {
	var out []command
	for _, family := range []struct{ name, only, not string }{{"iptables", "-4 ", "-6 "}, {"ip6tables", "-6 ", "-4 "}} {
		call := func(args ...string) {
			out = append(out, command{args: append([]string{family.name + "-" + variant, "-w", "5", "-t", "nat"}, args...)})
		}
		for line := range strings.Lines(text) {
			line = strings.TrimPrefix(strings.TrimSpace(line), family.only)
			switch {
			case strings.HasPrefix(line, family.not):
			case strings.HasPrefix(line, ":"):
				chain, _, _ := strings.Cut(line[1:], " ")
				call("-N", chain)
			case strings.HasPrefix(line, "-A "):
				call(words(line)...)
			}
		}
	}
	return out
}

// words splits a line at blanks; those within double quotes do not count.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}
