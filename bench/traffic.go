package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// traffic measures connections a second through the rules, with the benchmark
// of package traffic.
func (b *bench) traffic() error {
	rounds, count := 9, 1000
	if b.quick {
		rounds, count = 2, 200
	}
	var names []string
	taken := map[string][]float64{} // nanoseconds a connection
	for range rounds {
		cmd := exec.Command(b.program("traffic.test"), "-test.run=^$", "-test.bench=.", fmt.Sprintf("-test.benchtime=%dx", count))
		cmd.Env = append(os.Environ(), "CI=true") // what is missing is an error
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
		}
		for line := range strings.Lines(string(out)) {
			name, ns, ok := benchmarkLine(line)
			if !ok {
				continue
			}
			if _, known := taken[name]; !known {
				names = append(names, name)
			}
			taken[name] = append(taken[name], ns)
		}
	}
	t := table{
		title: "Connections a second",
		text: fmt.Sprintf("One client, one connection after the other over a veth pair, IPv4; the median of %d rounds of %d connections. "+
			"Outbound to a skipped port goes to the server itself, as everything does without rules. "+
			"The skipped port is in the middle of the list.", rounds, count),
		head: []string{"rules", "inbound", "outbound", "outbound, skipped"},
	}
	for _, name := range names {
		rules, direction, _ := strings.Cut(name, "/")
		if len(t.rows) == 0 || t.rows[len(t.rows)-1][0] != rules {
			t.rows = append(t.rows, []string{rules, "–", "–", "–"})
		}
		for i, column := range t.head {
			if column == direction {
				t.rows[len(t.rows)-1][i] = fmt.Sprintf("%.0f", 1e9/median(taken[name]))
			}
		}
	}
	b.tables = append(b.tables, t)
	b.progress("connections")
	return nil
}

// benchmarkLine reads a line that package testing prints for a benchmark: its
// name, where blanks became underscores, ends in the number of processors.
func benchmarkLine(line string) (name string, ns float64, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[3] != "ns/op" {
		return "", 0, false
	}
	_, name, ok = strings.Cut(fields[0], "/")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	ns, err := strconv.ParseFloat(fields[2], 64)
	return strings.ReplaceAll(name, "_", " "), ns, ok && err == nil
}
