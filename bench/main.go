// Bench measures shunt side by side with the bare tools, with minimal programs
// that do the same work, and with what others do, in one run and in network
// namespaces of its own. It prints tables and writes docs/benchmarks.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	report
	shunt  string // the program that is measured
	dir    string // the other programs, and what is written for them
	rounds int
	quick  bool
	only   string // the section to run; empty: all
	start  time.Time
}

func main() {
	b := &bench{start: time.Now()}
	flag.StringVar(&b.shunt, "shunt", "bin/shunt", "the program to measure")
	flag.StringVar(&b.dir, "dir", "", "a scratch folder with the programs empty, minimal and traffic.test")
	out := flag.String("out", "", "the Markdown file to write")
	flag.BoolVar(&b.quick, "quick", false, "fewer rounds, for trying things out")
	flag.StringVar(&b.only, "only", "", "the one section to run, such as nftables")
	flag.Parse()
	_ = os.Setenv("SHUNT_BENCH", "1") // lets minimal write: its namespaces are ours
	if err := b.run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(out string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("network namespaces and the largest batches need root: run sudo make bench")
	}
	shunt, err := filepath.Abs(b.shunt)
	if err != nil {
		return err
	}
	b.shunt = shunt
	b.rounds = 41
	if b.quick {
		b.rounds = 3
	}
	for _, section := range []struct {
		name string
		run  func() error
	}{
		{"start-up", b.startUp},
		{"nftables", b.nftables},
		{"iptables-nft", func() error { return b.iptables("nft") }},
		{"iptables-legacy", func() error { return b.iptables("legacy") }},
		{"CNI plugin", b.plugin},
		{"connections", b.traffic},
	} {
		if b.only != "" && b.only != section.name {
			continue
		}
		if err := section.run(); err != nil {
			b.notes = append(b.notes, fmt.Sprintf("%s: %s", section.name, strings.ReplaceAll(err.Error(), b.dir, "…")))
		}
	}
	fmt.Print(b.text(b.method()))
	if n := b.missed(); n > 0 {
		fmt.Printf("\n%d of %d required figures are missed\n", n, len(b.limits))
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(b.markdown(machine(b.shunt), b.method())), 0o644)
}

// progress says what was done, on standard error.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

// program returns the path of a program that was built for the benchmarks.
func (b *bench) program(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) method() string {
	return fmt.Sprintf(`Every run is a whole process in a fresh network namespace. Programs take turns, %d rounds; CPU is user
and system time by the kernel's accounting (wait4), children included. CPU and wall are medians;
ratios are the median of the rounds' ratios. Memory is the largest resident set of a process;
processes, memory and commits (nf_tables generations) come from one more run under ptrace. Changed
lists have the same size, and every tenth entry differs. "minimal" is a program of google/nftables
that sends the same batches from lists that it has built in: it reads no configuration, does not
look at what is there, and does not verify. The lists of ports stand in a file as one comma list,
except where a YAML list is named; all ports are single and none touches the next.`, b.rounds)
}
