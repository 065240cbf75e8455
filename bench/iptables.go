package main

import (
	"os"
	"os/exec"
	"strings"

	"shunt/bench/lists"
)

// iptables measures the iptables backend with one variant of the commands.
func (b *bench) iptables(variant string) error {
	if _, err := exec.LookPath("iptables-" + variant + "-restore"); err != nil {
		return err
	}
	for _, r := range sizes() {
		flags, err := b.flags(r)
		if err != nil {
			return err
		}
		flags = append(flags, "--backend", "iptables", "--iptables-mode", variant)
		file, err := b.plan("iptables", flags)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		apply := []command{{args: append([]string{b.shunt, "init"}, flags...)}}
		var restores []command
		for _, name := range []string{"iptables", "ip6tables"} {
			restores = append(restores, command{args: []string{name + "-" + variant + "-restore", "--noflush", "-w", "5"}, stdin: file})
		}
		share := 3 // of the rounds; thousands of processes need fewer
		if r.ports > lists.Standard {
			share = 30
		}
		for _, c := range []contest{
			{doing: "init", contenders: []contender{
				{name: "shunt", run: apply},
				{name: "a restore a family", run: restores},
				{name: "one iptables a rule", run: iptablesCommands(variant, string(text)), most: 0.33},
			}},
			{doing: "init, unchanged", contenders: []contender{{name: "shunt", setup: apply, run: apply}}},
		} {
			c.doing, c.rules, c.share, c.mostBefore = c.doing+", iptables-"+variant, r.name, share, 1.5
			if err := b.hold(c); err != nil {
				return err
			}
		}
	}
	return nil
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
