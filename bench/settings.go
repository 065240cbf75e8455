package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"shunt/bench/lists"
)

// rules are one set of rules in its two contents.
type rules struct {
	name           string
	ports, subnets int
	yamlList       bool // in the file as a YAML list, not as a comma list
}

func (b *bench) standard() rules { return rules{name: "standard"} }

// flags returns shunt's flags for the rules: none for the standard
// configuration, a file for long lists.
func (b *bench) flags(r rules, v lists.Variant) ([]string, error) {
	if r == b.standard() && v == lists.Before {
		return nil, nil
	}
	name := fmt.Sprintf("%d-%d-%t-%d.yaml", r.ports, r.subnets, r.yamlList, v)
	path := filepath.Join(b.dir, name)
	var text strings.Builder
	write := func(key string, entries []string) {
		if r.yamlList {
			fmt.Fprintf(&text, "%s: [%s]\n", key, strings.Join(entries, ", "))
		} else {
			fmt.Fprintf(&text, "%s: %q\n", key, strings.Join(entries, ","))
		}
	}
	write("skip-inbound-ports", texts(lists.Inbound(r.ports, v)))
	write("skip-outbound-ports", texts(lists.Outbound(r.ports, v)))
	if r.subnets > 0 {
		v4, v6 := lists.Subnets(r.subnets, v)
		var entries []string
		for _, p := range slices.Concat(v4, v6) {
			entries = append(entries, p.String())
		}
		write("skip-subnets", entries)
	}
	return []string{"--config", path}, os.WriteFile(path, []byte(text.String()), 0o600)
}

func texts(ranges []lists.Range) []string {
	out := make([]string, len(ranges))
	for i, r := range ranges {
		out[i] = strconv.Itoa(int(r.First))
		if r.Last != r.First {
			out[i] += "-" + strconv.Itoa(int(r.Last))
		}
	}
	return out
}
