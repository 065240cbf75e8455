package nftables

import (
	"context"
	"slices"
	"strings"
	"testing"

	"shunt/netns/netnstest"
	"shunt/plan"
)

// What iptables-nft wrote is found and deleted without iptables, in one
// commit, and nothing else in its tables changes.
func TestLeftoversOfIptablesNft(t *testing.T) {
	t.Parallel()
	const (
		chains  = ":PROXY_INIT_REDIRECT - [0:0]\n:PROXY_INIT_OUTPUT - [0:0]\n"
		rules   = "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143\n-A PROXY_INIT_OUTPUT -o lo -j RETURN\n"
		jumps   = "-A PREROUTING -m comment --comment x -j PROXY_INIT_REDIRECT\n-A OUTPUT -j PROXY_INIT_OUTPUT\n"
		foreign = ":MINE - [0:0]\n-A PREROUTING -p tcp --dport 22 -j MINE\n-A MINE -j RETURN\n"
	)
	for _, tc := range []struct {
		name     string
		text     string
		sections []string // that are found
		left     string   // of PROXY_INIT, afterwards
	}{
		{"complete and hooked", chains + rules + jumps, []string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ""},
		{"complete, among rules of others", foreign + chains + rules + jumps, []string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ""},
		{"orphaned", chains + rules, []string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ""},
		{"empty and hooked", chains + jumps, []string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ""},
		{"half-built", ":PROXY_INIT_OUTPUT - [0:0]\n-A PROXY_INIT_OUTPUT -o lo -j RETURN\n", []string{"ip nat PROXY_INIT_OUTPUT"}, ""},
		{"hooked twice, once altered", chains + rules + jumps + "-A OUTPUT -p tcp --dport 80 -j PROXY_INIT_OUTPUT\n",
			[]string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ""},
		{"held by a rule of others: emptied and kept", foreign + chains + rules + jumps + "-A MINE -j PROXY_INIT_OUTPUT\n",
			[]string{"ip nat PROXY_INIT_OUTPUT", "ip nat PROXY_INIT_REDIRECT"}, ":PROXY_INIT_OUTPUT - [0:0]\n-A MINE -j PROXY_INIT_OUTPUT\n"},
		{"only others' rules", foreign, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			restore := netnstest.Tool(t, "iptables-nft-restore")
			save := netnstest.Tool(t, "iptables-nft-save")
			within(t, func(ns *netnstest.NS, b *Backend) {
				ns.Exec(t, "*nat\n"+tc.text+"COMMIT\n", restore)
				others := grep(ns.Exec(t, "", save, "-t", "nat"), "PROXY_INIT", false)
				l := b.Leftovers()
				found, err := l.Read(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, s := range found.State().Sections {
					names = append(names, s.Place.String())
				}
				slices.Sort(names)
				if !slices.Equal(names, tc.sections) {
					t.Errorf("found %q, want %q", names, tc.sections)
				}
				if _, err := l.Clear(context.Background(), found); err != nil {
					t.Fatal(err)
				}
				after := ns.Exec(t, "", save, "-t", "nat")
				if got := grep(after, "PROXY_INIT", true); got != tc.left {
					t.Errorf("left:\n%swant:\n%s", got, tc.left)
				}
				if got := grep(after, "PROXY_INIT", false); got != others {
					t.Errorf("others' rules:\n%swere:\n%s", got, others)
				}
				if again, err := l.Read(context.Background()); err != nil || !again.State().Empty() {
					t.Errorf("a second read finds %+v, %v", again, err)
				}
			})
		})
	}
}

// grep keeps the lines with the text, or those without it; comments go.
func grep(text, with string, keep bool) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && strings.Contains(line, with) == keep {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestHasNATLooksForIPTablesOwnTable(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		check := func(when string, want map[plan.Family]bool) {
			for _, fam := range []plan.Family{plan.IPv4, plan.IPv6} {
				if has, err := b.HasNAT(fam); err != nil || has != want[fam] {
					t.Errorf("%s: %v: %v, %v", when, fam, has, err)
				}
			}
		}
		check("fresh", nil)
		ns.Exec(t, "add table inet nat\nadd table ip natural\n", "nft", "-f", "-")
		check("others' tables", nil)
		ns.Exec(t, "add table ip6 nat\n", "nft", "-f", "-")
		check("IPv6's", map[plan.Family]bool{plan.IPv6: true})
	})
}
