package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// report is what a run of the benchmarks found.
type report struct {
	limits []limit
	tables []table
	notes  []string // what could not be measured, and why
}

// limit is a figure that must not be exceeded.
type limit struct {
	what     string
	most, is float64
	unit     string
}

func (l limit) kept() bool { return l.is <= l.most }

// table is text in columns.
type table struct {
	title, text string
	head        []string
	rows        [][]string
}

func (r *report) missed() int {
	n := 0
	for _, l := range r.limits {
		if !l.kept() {
			n++
		}
	}
	return n
}

// limitTable shows the required figures beside the measured ones.
func (r *report) limitTable() table {
	t := table{
		title: "Required and measured",
		text: fmt.Sprintf("%d of %d are kept. Ratios are of whole-process CPU time, user and system, children included.",
			len(r.limits)-r.missed(), len(r.limits)),
		head: []string{"what", "at most", "measured", ""},
	}
	for _, l := range r.limits {
		mark := "kept"
		if !l.kept() {
			mark = "MISSED"
		}
		t.rows = append(t.rows, []string{l.what, fmt.Sprintf("%.2f%s", l.most, l.unit), fmt.Sprintf("%.2f%s", l.is, l.unit), mark})
	}
	return t
}

// text returns the report for a terminal.
func (r *report) text(method string) string {
	var b bytes.Buffer
	for _, t := range append([]table{r.limitTable()}, r.tables...) {
		fmt.Fprintf(&b, "\n%s\n\n", strings.ToUpper(t.title))
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.head}, t.rows...) {
			fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
		}
		w.Flush()
	}
	for _, n := range r.notes {
		fmt.Fprintf(&b, "\nnot measured: %s\n", n)
	}
	fmt.Fprintf(&b, "\n%s\n", method)
	return b.String()
}

// markdown returns the report for docs/.
func (r *report) markdown(machine [][]string, method string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nWritten by `make bench` on %s.\n\n", time.Now().UTC().Format(time.DateOnly))
	head := table{title: "Machine and method", text: method, head: []string{"", ""}, rows: machine}
	for _, t := range slices.Concat([]table{r.limitTable()}, r.tables, []table{head}) {
		t.markdown(&b)
	}
	if len(r.notes) > 0 {
		b.WriteString("## Not measured\n\n")
		for _, n := range r.notes {
			fmt.Fprintf(&b, "- %s\n", n)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (t table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n", t.title, t.text)
	width := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			width[i] = max(width[i], 3, utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(t.head))
	for i, w := range width {
		rule[i] = strings.Repeat("-", w)
	}
	for _, row := range slices.Insert(all, 1, rule) {
		for i, cell := range row {
			fmt.Fprintf(b, "| %-*s ", width[i], cell)
		}
		b.WriteString("|\n")
	}
	b.WriteString("\n")
}

// machine describes what the figures were taken on.
func machine(shunt string) [][]string {
	var uts unix.Utsname
	kernel := "unknown"
	if unix.Uname(&uts) == nil {
		kernel = unix.ByteSliceToString(uts.Release[:])
	}
	rows := [][]string{
		{"CPU", cpuModel()},
		{"cores", fmt.Sprint(runtime.NumCPU())},
		{"kernel", "Linux " + kernel},
		{"Go", strings.TrimPrefix(runtime.Version(), "go")},
	}
	for _, tool := range [][]string{{shunt, "version"}, {"nft", "--version"}, {"iptables-nft", "--version"}, {"iptables-legacy", "--version"}} {
		out, err := exec.Command(tool[0], tool[1:]...).Output()
		version := strings.TrimSpace(string(out))
		if err != nil {
			version = "not there"
		}
		name := strings.TrimPrefix(tool[0], shunt)
		if name == "" {
			name = "shunt"
		}
		rows = append(rows, []string{name, strings.TrimPrefix(version, "shunt ")})
	}
	return rows
}

func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
