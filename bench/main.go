// Bench measures the CPU time that shunt takes side by side with other programs
// that do the same, in network namespaces of its own, and prints the figures as
// a Markdown table. The method is in docs/benchmarks.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"shunt/redirect"
)

// bench is one run.
type bench struct {
	shunt  string // the program that is measured
	before string // an earlier build of it, "" for none
	dir    string // a scratch folder with the programs empty and minimal
	rounds int
	only   string // the section to run, "" for all
	rows   []row
	notes  []string // what could not be measured, and why
}

func main() {
	b := &bench{}
	flag.StringVar(&b.shunt, "shunt", "bin/shunt", "the program to measure")
	flag.StringVar(&b.before, "before", "", "an earlier build, to measure beside it")
	flag.IntVar(&b.rounds, "rounds", 300, "rounds of the small figures; the large ones take fewer")
	flag.StringVar(&b.only, "only", "", "the one section to run, such as start-up")
	out := flag.String("o", "", "the Markdown file whose figures to replace")
	flag.Parse()
	if err := b.run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(out string) (err error) {
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces and the largest batches need root: run sudo make bench")
	}
	for _, path := range []*string{&b.shunt, &b.before} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	if b.dir, err = os.MkdirTemp("", "shunt-bench-*"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if node := filepath.Dir(redirect.LockFolder); !exists(node) {
		defer os.RemoveAll(node) // the plugin makes it, for its locks
	}
	// Stripped, like the program that they are compared with.
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", b.dir+"/", "./bench/empty", "./bench/minimal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the programs to compare with: %w", err)
	}
	if err := os.Setenv("SHUNT_BENCH", "1"); err != nil { // lets minimal write: its namespaces are ours
		return err
	}
	for _, section := range []struct {
		name    string
		measure func() error
	}{
		{"start-up", b.startUp},
		{"nftables", b.nftables},
		{"iptables-nft", func() error { return b.iptables("nft") }},
		{"iptables-legacy", func() error { return b.iptables("legacy") }},
	} {
		if b.only != "" && b.only != section.name {
			continue
		}
		if err := section.measure(); err != nil {
			b.notes = append(b.notes, fmt.Sprintf("%s: %v", section.name, err))
		}
	}
	text, err := b.figures()
	if err != nil {
		return err
	}
	fmt.Print(text)
	if out == "" {
		return nil
	}
	return replaceFigures(out, text)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
