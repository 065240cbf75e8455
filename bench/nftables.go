package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"shunt/bench/lists"
)

// sizes are the rules that are measured: how many single ports are skipped in
// each direction, none of which touches the next.
func sizes() []rules {
	return []rules{{"standard", lists.Standard}, {"1,000 + 1,000 ports", 1000}, {"5,000 + 5,000 ports", 5000}}
}

type rules struct {
	name  string
	ports int
}

// share returns which part of the rounds is enough: a few milliseconds need
// more of them than many.
func (r rules) share() int {
	if r.ports == lists.Standard {
		return 1
	}
	return 5
}

// flags returns shunt's flags for the rules; the ports stand in a file as comma
// lists. Both sides of a comparison write rules for IPv6.
func (b *bench) flags(r rules) ([]string, error) {
	if r.ports == lists.Standard {
		return []string{"--ipv6"}, nil
	}
	comma := func(ports []lists.Range) string {
		var list []string
		for _, p := range ports {
			list = append(list, strconv.Itoa(int(p.First)))
		}
		return strings.Join(list, ",")
	}
	path := filepath.Join(b.dir, fmt.Sprintf("%d.yaml", r.ports))
	text := fmt.Sprintf("skip-inbound-ports: %q\nskip-outbound-ports: %q\n", comma(lists.Inbound(r.ports)), comma(lists.Outbound(r.ports)))
	return []string{"--ipv6", "--config", path}, os.WriteFile(path, []byte(text), 0o600)
}

// nftables measures the native backend.
func (b *bench) nftables() error {
	limits := map[int][2]float64{lists.Standard: {1.22, 1.08}, 1000: {1, 0}, 5000: {0.75, 0}} // new, unchanged
	for _, r := range sizes() {
		flags, err := b.flags(r)
		if err != nil {
			return err
		}
		text, err := b.plan("nft", flags)
		if err != nil {
			return err
		}
		apply := []command{{args: append([]string{b.shunt, "init"}, flags...)}}
		minimal := []command{{args: []string{filepath.Join(b.dir, "minimal"), strconv.Itoa(r.ports)}}}
		if err := b.sameRules(minimal, flags); err != nil {
			return err
		}
		nft := []command{{args: []string{"nft", "-f", text}}}
		most := limits[r.ports]
		for _, c := range []contest{
			{doing: "init", contenders: []contender{
				{name: "shunt", run: apply},
				{name: "minimal", run: minimal, most: most[0]},
				{name: "nft -f", run: nft},
			}},
			// What never looks has to write.
			{doing: "init, unchanged", contenders: []contender{
				{name: "shunt", setup: apply, run: apply},
				{name: "minimal", run: minimal, most: most[1]},
				{name: "nft -f", setup: nft, run: nft},
			}},
		} {
			c.rules, c.share = r.name, r.share()
			if err := b.hold(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// plan writes the rules as text into a file, and returns its path.
func (b *bench) plan(format string, flags []string) (string, error) {
	_, text, err := command{args: append([]string{b.shunt, "plan", "-o", format}, flags...)}.run(nil)
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
func (b *bench) sameRules(minimal []command, flags []string) error {
	diff := command{args: append([]string{b.shunt, "diff"}, flags...)}
	if _, err := (contender{run: append(minimal, diff)}).once(); err != nil {
		return fmt.Errorf("the minimal program does not write the same rules: %w", err)
	}
	return nil
}
