package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// contender is one way to reach a state in a fresh network namespace. Programs
// that are named by their path are copied; the others are run as installed.
type contender struct {
	name  string
	setup []command // before, not measured
	run   []command // measured, as a whole
	most  float64   // a limit on shunt's CPU time as a multiple of this; 0 for none
}

// contest compares shunt, which comes first, with others that do the same.
type contest struct {
	doing, rules string
	contenders   []contender
	share        int     // of the rounds, one in this many is enough
	mostBefore   float64 // a limit against the earlier build; 0 for none
}

// copies is how many fresh files of each program a contest uses: how a file
// lies in the page cache decides up to a tenth of what it costs to start.
const copies = 8

// hold measures the contest and adds its rows.
func (b *bench) hold(c contest) error {
	shunt := c.contenders[0]
	// The A/A pair: the same, from copies of its own.
	all := slices.Insert(slices.Clone(c.contenders), 1, contender{name: "shunt itself", setup: shunt.setup, run: shunt.run})
	if b.before != "" {
		all = append(all, contender{"the earlier build", b.asBefore(shunt.setup), b.asBefore(shunt.run), c.mostBefore})
	}
	dir, err := os.MkdirTemp(b.dir, "copies-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fresh := make([][copies]contender, len(all))
	for i := range all {
		for j := range copies {
			if fresh[i][j], err = all[i].copied(filepath.Join(dir, fmt.Sprintf("%d-%d-", i, j))); err != nil {
				return err
			}
		}
	}
	rounds := max(b.rounds/max(c.share, 1), 3)
	cpu := make([][]time.Duration, len(all))
	for range rounds {
		for _, i := range rand.Perm(len(all)) {
			took, err := fresh[i][rand.IntN(copies)].once()
			if err != nil {
				return fmt.Errorf("%s, %s: %s: %w", c.doing, c.rules, all[i].name, err)
			}
			cpu[i] = append(cpu[i], took)
		}
	}
	noise := ratio(cpu[0], cpu[1])
	for i := 2; i < len(all); i++ {
		b.rows = append(b.rows, row{c.doing, c.rules, all[i].name, rounds, median(cpu[0]), median(cpu[i]), ratio(cpu[0], cpu[i]), noise, all[i].most})
	}
	fmt.Fprintf(os.Stderr, "bench: %s, %s: %d rounds\n", c.doing, c.rules, rounds)
	return nil
}

// asBefore returns commands with the earlier build in shunt's place.
func (b *bench) asBefore(commands []command) []command {
	out := slices.Clone(commands)
	for i, c := range out {
		if c.args[0] == b.shunt {
			out[i].args = slices.Concat([]string{b.before}, c.args[1:])
		}
	}
	return out
}

// copied returns the contender with new copies of its programs, whose names
// begin with the prefix.
func (c contender) copied(prefix string) (contender, error) {
	done := map[string]bool{}
	for _, commands := range []*[]command{&c.setup, &c.run} {
		*commands = slices.Clone(*commands)
		for i, one := range *commands {
			if !filepath.IsAbs(one.args[0]) {
				continue
			}
			path := prefix + filepath.Base(one.args[0])
			if !done[path] {
				if err := copyProgram(path, one.args[0]); err != nil {
					return c, err
				}
				done[path] = true
			}
			(*commands)[i].args = slices.Concat([]string{path}, one.args[1:])
		}
	}
	return c, nil
}

// copyProgram copies a file in large writes: the linker writes single pages,
// and they stay single in the page cache.
func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	// Behind these types, the kernel's own copy is not used.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 64<<10))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// once runs the contender in a fresh namespace.
func (c contender) once() (time.Duration, error) {
	ns, err := newNamespace()
	if err != nil {
		return 0, err
	}
	defer ns.Close()
	if _, err := runAll(ns, c.setup); err != nil {
		return 0, err
	}
	return runAll(ns, c.run)
}
