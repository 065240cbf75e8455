package main

import (
	"fmt"
	"os"
)

// maxSize is what the stripped binary may take, in MB.
const maxSize = 5

// startUp measures what it takes to start, and the program's size.
func (b *bench) startUp() error {
	t := table{
		title: "Start-up",
		text:  "Against a Go program that does nothing.",
		head:  costHead(),
	}
	one := func(name string, args ...string) contender {
		return contender{name: name, run: []command{{args: args}}}
	}
	empty := one("an empty Go program", b.program("empty"))
	for _, c := range []contest{
		{rules: "standard", doing: "shunt plan", contenders: []contender{one("shunt", b.shunt, "plan", "--ipv6"), empty},
			limits: []against{{empty.name, 1.8}}},
		{rules: "–", doing: "shunt version", contenders: []contender{one("shunt", b.shunt, "version"), empty}},
	} {
		if err := b.hold(&t, c); err != nil {
			return err
		}
	}
	info, err := os.Stat(b.shunt)
	if err != nil {
		return err
	}
	b.limits = append(b.limits, limit{what: "Size of the stripped binary", most: maxSize, is: float64(info.Size()) / 1e6, unit: " MB"})
	t.text += fmt.Sprintf(" The binary has %d bytes.", info.Size())
	b.tables = append(b.tables, t)
	return nil
}
