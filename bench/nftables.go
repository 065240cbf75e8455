package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"shunt/bench/lists"
)

// The contenders of the nftables table.
const (
	minimalFresh  = "minimal"
	minimalChange = "minimal, which knows what differs"
	minimalAgain  = "minimal, which writes all again"
)

// nftables measures the native backend.
func (b *bench) nftables() error {
	t := table{
		title: "nftables",
		text:  "Unchanged is compared with the minimal program's fresh apply, too: what never looks has to write.",
		head:  costHead(),
	}
	defer func() { b.tables = append(b.tables, t) }()
	for _, c := range []struct {
		rules
		fresh, change, unchanged float64 // limits; 0 for none
	}{
		{b.standard(), 1.5, 1.7, 1.1},
		{rules{name: "1,000 + 1,000 ports", ports: 1000}, 1.3, 1.5, 0.5},
		{rules{name: "5,000 + 5,000 ports", ports: 5000}, 1.25, 1.5, 0.35},
		{rules{name: "1,000 + 1,000 ports, a YAML list", ports: 1000, yamlList: true}, 0, 0, 0},
		{rules{name: "5,000 + 5,000 ports, a YAML list", ports: 5000, yamlList: true}, 0, 0, 0},
		{rules{name: "1,000 subnets", subnets: 1000}, 0, 0, 0},
	} {
		if err := b.nftablesRules(&t, c.rules, c.fresh, c.change, c.unchanged); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) nftablesRules(t *table, r rules, fresh, change, unchanged float64) error {
	before, err := b.flags(r, lists.Before)
	if err != nil {
		return err
	}
	after, err := b.flags(r, lists.After)
	if err != nil {
		return err
	}
	textBefore, err := b.plan("nft", before)
	if err != nil {
		return err
	}
	textAfter, err := b.plan("nft", after)
	if err != nil {
		return err
	}
	if err := b.sameRules(r, before, after); err != nil {
		return err
	}
	shunt := func(flags []string) []command {
		return []command{{args: append([]string{b.shunt, "init", "--ipv6"}, flags...)}}
	}
	minimal := func(do string) []command { return []command{{args: b.minimal(r, do)}} }
	nft := func(file string) []command { return []command{{args: []string{"nft", "-f", file}}} }

	first := []contender{
		{"shunt", nil, shunt(before)},
		{minimalFresh, nil, minimal("fresh")},
		{"nft -f", nil, nft(textBefore)},
	}
	if r == b.standard() {
		text, err := os.ReadFile(textBefore)
		if err != nil {
			return err
		}
		first = append(first, contender{"one nft a command", nil, nftCommands(string(text))})
	}
	for _, c := range []contest{
		{r.name, "fresh", first, limitOn(minimalFresh, fresh)},
		{r.name, "changed", []contender{
			{"shunt", shunt(before), shunt(after)},
			{minimalChange, minimal("fresh"), minimal("change")},
			{minimalAgain, minimal("fresh"), minimal("again")},
			{"nft -f", nft(textBefore), nft(textAfter)},
		}, limitOn(minimalChange, change)},
		{r.name, "unchanged", []contender{
			{"shunt", shunt(before), shunt(before)},
			{minimalFresh, nil, minimal("fresh")},
			{minimalAgain, minimal("fresh"), minimal("again")},
			{"nft -f", nft(textBefore), nft(textBefore)},
		}, limitOn(minimalFresh, unchanged)},
	} {
		if err := b.hold(t, c); err != nil {
			return err
		}
	}
	return nil
}

func limitOn(name string, most float64) []against {
	if most == 0 {
		return nil
	}
	return []against{{name, most}}
}

// minimal returns the call of the minimal program for the rules.
func (b *bench) minimal(r rules, do string) []string {
	kind, n := "ports", r.ports
	if r.subnets > 0 {
		kind, n = "subnets", r.subnets
	}
	return []string{b.program("minimal"), do, kind, strconv.Itoa(n)}
}

// plan writes the rules as text into a file, and returns its path.
func (b *bench) plan(format string, flags []string) (string, error) {
	_, text, err := command{args: append([]string{b.shunt, "plan", "--ipv6", "-o", format}, flags...)}.run(nil)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(b.dir, format+"-*")
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return f.Name(), err
}

// sameRules makes sure that the minimal program does the same work: shunt must
// find its rules right.
func (b *bench) sameRules(r rules, before, after []string) error {
	ns, err := newNamespace()
	if err != nil {
		return err
	}
	defer ns.close()
	_, err = runAll(ns, []command{
		{args: b.minimal(r, "fresh")},
		{args: append([]string{b.shunt, "diff"}, before...)},
		{args: b.minimal(r, "again")},
		{args: append([]string{b.shunt, "diff"}, before...)},
		{args: b.minimal(r, "change")},
		{args: append([]string{b.shunt, "diff"}, after...)},
	})
	if err != nil {
		return fmt.Errorf("the minimal program does not write the same rules: %w", err)
	}
	return nil
}

// nftCommands turns the text of a table into calls of nft: one a set, chain,
// and rule.
func nftCommands(text string) []command {
	var out []command
	call := func(format string, args ...any) {
		out = append(out, command{args: []string{"nft", fmt.Sprintf(format, args...)}})
	}
	table, chain, block := "", "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch word, rest, _ := strings.Cut(line, " "); {
		case line == "" || word == "delete" || strings.HasPrefix(line, "#"):
		case word == "table" && strings.HasSuffix(line, "{"):
			table = strings.TrimSuffix(rest, " {")
			call("add table %s", table)
		case word == "table": // the one that makes the deletion possible
		case word == "set":
			block = strings.TrimSuffix(rest, " {") + " {"
		case word == "chain":
			chain = strings.TrimSuffix(rest, " {")
		case word == "type" && chain != "":
			call("add chain %s %s { %s }", table, chain, line)
		case line == "}" && block != "":
			call("add set %s %s }", table, block)
			block = ""
		case line == "}":
		case block != "":
			block += " " + line + ";"
		default:
			call("add rule %s %s %s", table, chain, line)
		}
	}
	return out
}
