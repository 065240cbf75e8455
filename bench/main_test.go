package main

import (
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
	costs := func(ms ...time.Duration) (out []cost) {
		for _, d := range ms {
			out = append(out, cost{cpu: d * time.Millisecond})
		}
		return out
	}
	if got := ratio(costs(2, 20, 4), costs(1, 10, 2)); got != 2 {
		t.Errorf("got %v, want 2", got)
	}
}

func TestNftTextAsCommands(t *testing.T) {
	t.Parallel()
	const text = `#!/usr/sbin/nft -f
table inet shunt
delete table inet shunt
table inet shunt {
	set skip {
		type inet_service
		flags interval
		elements = { 80, 90-91 }
	}

	chain inbound {
		type nat hook prerouting priority -100; policy accept;
		tcp dport @skip counter accept comment "shunt/skip"
	}
}
`
	want := []string{
		"add table inet shunt",
		"add set inet shunt skip { type inet_service; flags interval; elements = { 80, 90-91 }; }",
		"add chain inet shunt inbound { type nat hook prerouting priority -100; policy accept; }",
		`add rule inet shunt inbound tcp dport @skip counter accept comment "shunt/skip"`,
	}
	var got []string
	for _, c := range nftCommands(text) {
		if len(c.args) != 2 || c.args[0] != "nft" {
			t.Fatalf("not a call of nft: %q", c.args)
		}
		got = append(got, c.args[1])
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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

func TestLinesOfABenchmark(t *testing.T) {
	t.Parallel()
	name, ns, ok := benchmarkLine("BenchmarkConnections/shunt,_1,000_ports/outbound,_skipped-2 \t 1000\t 17000 ns/op\n")
	if name != "shunt, 1,000 ports/outbound, skipped" || ns != 17000 || !ok {
		t.Errorf("got %q %v %v", name, ns, ok)
	}
	for _, other := range []string{"", "PASS\n", "goos: linux\n", "pkg: shunt/bench/traffic of the year\n"} {
		if _, _, ok := benchmarkLine(other); ok {
			t.Errorf("%q is taken for a result", other)
		}
	}
}

func TestLimitsThatAreMissedAreSeen(t *testing.T) {
	t.Parallel()
	r := report{limits: []limit{{"a", 1.5, 1.5, ""}, {"b", 1.5, 1.51, ""}}}
	if r.missed() != 1 {
		t.Errorf("%d missed, want 1", r.missed())
	}
	for _, text := range []string{r.text("method"), r.markdown(nil, "method")} {
		if strings.Count(text, "MISSED") != 1 || strings.Count(text, "kept\n")+strings.Count(text, "kept  ") == 0 {
			t.Errorf("not one kept and one missed in\n%s", text)
		}
	}
}

// The programs that are compared must be given the same number of ranges, and
// shunt joins ranges that touch.
func TestListsDoNotTouchEachOther(t *testing.T) {
	t.Parallel()
	for _, n := range []int{lists.Standard, 100, 1000, 5000} {
		for _, v := range []lists.Variant{lists.Before, lists.After} {
			for _, list := range [][]lists.Range{lists.Inbound(n, v), lists.Outbound(n, v)} {
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
}
