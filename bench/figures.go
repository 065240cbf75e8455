package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// row is one comparison.
type row struct {
	doing, rules, against string
	rounds                int
	shunt, other          time.Duration // medians of CPU time
	ratio                 float64       // the median of the rounds' ratios
	itself                float64       // the same of shunt against itself: the noise
	most                  float64       // 0: no limit
}

func (r row) missed() bool { return r.most > 0 && r.ratio > r.most }

// ratio is the median of the rounds' ratios: what disturbs the machine disturbs
// neighbours alike.
func ratio(a, b []time.Duration) float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = float64(a[i]) / float64(b[i])
	}
	return median(out)
}

// median returns the middle value, the mean of the two middle ones of an even
// number, and 0 of none.
func median[T float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[mid-1] + sorted[mid]) / 2
	}
	return sorted[mid]
}

// figures returns what was measured as Markdown.
func (b *bench) figures() (string, error) {
	size, err := os.Stat(b.shunt)
	if err != nil {
		return "", err
	}
	const maxSize = 5_000_000
	most := fmt.Sprintf("at most %d: kept", maxSize)
	if size.Size() > maxSize {
		most = fmt.Sprintf("at most %d: MISSED", maxSize)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Measured on %s with %s. The stripped binary has %d bytes (%s).\n\n",
		time.Now().UTC().Format(time.DateOnly), machine(), size.Size(), most)
	text.WriteString(table(b.rows))
	for _, n := range b.notes {
		fmt.Fprintf(&text, "\nNot measured: %s\n", n)
	}
	return text.String(), nil
}

// table returns the rows as a Markdown table that a terminal can show.
func table(rows []row) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
	cells := [][]string{{"shunt", "rules", "against", "rounds", "shunt's CPU", "the other's", "ratio", "itself", "at most", ""}}
	for _, r := range rows {
		most, mark := "", ""
		if r.most > 0 {
			most, mark = fmt.Sprintf("%.2f", r.most), "kept"
		}
		if r.missed() {
			mark = "MISSED"
		}
		cells = append(cells, []string{r.doing, r.rules, r.against, fmt.Sprint(r.rounds), ms(r.shunt), ms(r.other), fmt.Sprintf("%.2f", r.ratio), fmt.Sprintf("%.2f", r.itself), most, mark})
	}
	width := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			width[i] = max(width[i], 3, utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(width))
	for i, w := range width {
		rule[i] = strings.Repeat("-", w)
	}
	var text strings.Builder
	for _, line := range slices.Insert(cells, 1, rule) {
		for i, cell := range line {
			fmt.Fprintf(&text, "| %-*s ", width[i], cell)
		}
		text.WriteString("|\n")
	}
	return text.String()
}

// machine names what the figures were taken on.
func machine() string {
	kernel, cpu := "an unknown kernel", "unknown CPU"
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		kernel = "Linux " + unix.ByteSliceToString(uts.Release[:])
	}
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	parts := []string{fmt.Sprintf("%d cores (%s)", runtime.NumCPU(), cpu), kernel, runtime.Version()}
	for _, tool := range []string{"nft", "iptables-nft", "iptables-legacy"} {
		if out, err := exec.Command(tool, "--version").Output(); err == nil {
			parts = append(parts, strings.TrimSpace(string(out)))
		}
	}
	return strings.Join(parts, ", ")
}

// replaceFigures replaces everything after the heading "Figures" in a file.
func replaceFigures(path, text string) error {
	const heading = "\n## Figures\n\n"
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	method, _, found := bytes.Cut(old, []byte(heading))
	if !found {
		return fmt.Errorf("%s has no heading %q", path, strings.TrimSpace(heading))
	}
	return os.WriteFile(path, slices.Concat(method, []byte(heading+text)), 0o644)
}
