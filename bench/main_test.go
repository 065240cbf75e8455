package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shunt/bench/lists"
)

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v is %v, want %v", tc.values, got, tc.want)
		}
	}
}

// A slow round hits both alike, so it must not count.
func TestRatioIsTakenWithinRounds(t *testing.T) {
	t.Parallel()
	if got := ratio([]time.Duration{2, 20, 4}, []time.Duration{1, 10, 2}); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
}

func TestRestoreTextAsCommands(t *testing.T) {
	t.Parallel()
	const text = `# iptables-restore --noflush
*nat
:OURS - [0:0]
-4 -A OURS -s 10.0.0.0/8 -j RETURN
-6 -A OURS -s fd00::/8 -j RETURN
-A PREROUTING -m comment --comment "a b" -j OURS
COMMIT
`
	want := []string{
		"iptables-nft|-w|5|-t|nat|-N|OURS",
		"iptables-nft|-w|5|-t|nat|-A|OURS|-s|10.0.0.0/8|-j|RETURN",
		"iptables-nft|-w|5|-t|nat|-A|PREROUTING|-m|comment|--comment|a b|-j|OURS",
		"ip6tables-nft|-w|5|-t|nat|-N|OURS",
		"ip6tables-nft|-w|5|-t|nat|-A|OURS|-s|fd00::/8|-j|RETURN",
		"ip6tables-nft|-w|5|-t|nat|-A|PREROUTING|-m|comment|--comment|a b|-j|OURS",
	}
	var got []string
	for _, c := range iptablesCommands("nft", text) {
		got = append(got, strings.Join(c.args, "|"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLimitsThatAreMissedAreSeen(t *testing.T) {
	t.Parallel()
	text := table([]row{{against: "a", ratio: 1.5, most: 1.5}, {against: "b", ratio: 1.51, most: 1.5}, {against: "c", ratio: 9}})
	if strings.Count(text, "MISSED") != 1 || strings.Count(text, "kept") != 1 {
		t.Errorf("not one kept and one missed in\n%s", text)
	}
}

// What is measured is a copy, for the setup and for the run, and never the file
// that the linker wrote.
func TestContendersRunCopies(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	text := bytes.Repeat([]byte("x"), 100<<10)
	if err := os.WriteFile(program, text, 0o600); err != nil {
		t.Fatal(err)
	}
	once := []command{{args: []string{program, "a"}}, {args: []string{"nft", "b"}}}
	c, err := contender{setup: once, run: once}.copied(filepath.Join(t.TempDir(), "1-"))
	if err != nil {
		t.Fatal(err)
	}
	if c.run[0].args[0] == program || c.run[0].args[0] != c.setup[0].args[0] || c.run[0].args[1] != "a" || c.run[1].args[0] != "nft" {
		t.Errorf("got %v and %v", c.setup, c.run)
	}
	if once[0].args[0] != program {
		t.Errorf("the original runs %s", once[0].args[0])
	}
	if got, err := os.ReadFile(c.run[0].args[0]); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the copy has %d bytes, %v", len(got), err)
	}
}

// The method is written by hand, the figures are not.
func TestOnlyFiguresAreReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(path, []byte("# Benchmarks\n\nMethod.\n\n## Figures\n\nold\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFigures(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "# Benchmarks\n\nMethod.\n\n## Figures\n\nnew\n" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(path, []byte("# Something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFigures(path, "new\n"); err == nil {
		t.Error("a file without the heading is overwritten")
	}
}

// The programs that are compared must be given the same number of ranges, and
// shunt joins ranges that touch.
func TestListsDoNotTouchEachOther(t *testing.T) {
	t.Parallel()
	for _, n := range []int{lists.Standard, 1000, 5000} {
		for _, list := range [][]lists.Range{lists.Inbound(n), lists.Outbound(n)} {
			if n > 0 && len(list) != n {
				t.Errorf("%d entries, want %d", len(list), n)
			}
			for i := 1; i < len(list); i++ {
				if int(list[i].First) <= int(list[i-1].Last)+1 {
					t.Errorf("%v touches %v", list[i-1], list[i])
				}
			}
		}
	}
}
