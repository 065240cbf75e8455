package nftables

import (
	"fmt"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/netns/netnstest"
)

// describe writes what others have, a line a chain and a line a rule.
func describe(t *testing.T, b *Backend) string {
	t.Helper()
	found, unread, err := b.Others(t.Context())
	if err != nil || unread != "" {
		t.Fatal(unread, err)
	}
	var out strings.Builder
	for _, c := range found {
		fmt.Fprintf(&out, "%s: %s %s %d", c.Place, c.Kind, c.At, c.Priority)
		if c.Drops {
			out.WriteString(" drops")
		}
		fmt.Fprintf(&out, ", %s", c.Order())
		if c.Unread != "" {
			out.WriteString("; unread: " + c.Unread)
		}
		out.WriteByte('\n')
		for _, r := range c.Rules {
			text := Line(apply.Rule{Rule: r.Rule, Jump: r.Jump, Other: r.Other})
			if r.NotUnderstood != "" {
				text += " (" + r.NotUnderstood + ")"
			}
			out.WriteString("  " + text + "\n")
		}
	}
	return out.String()
}

// What nft and iptables-nft wrote into other tables is read, as far as it can
// decide about a connection, in the order in which packets pass it.
func TestOthersOnTheWay(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		makeLive(t, b, standard())
		if got := describe(t, b); got != "" {
			t.Errorf("beside shunt's own table: %s", got)
		}
		ns.Exec(t, `
table ip early {
	set hosts { type ipv4_addr; elements = { 10.0.0.7, 10.0.0.9 }; }
	chain first {
		type nat hook prerouting priority -150;
		tcp dport 3306 counter dnat to 10.0.0.9:3307
		tcp dport 8080 redirect to :8081
		ip saddr 10.1.0.0/16 tcp dport { 22, 80-90 } counter accept
	}
	chain out {
		type nat hook output priority -150;
		ip daddr @hosts jump away
		oifname "lo" return
	}
	chain away { tcp dport 5432 dnat to 10.0.0.9; }
	chain source { type nat hook postrouting priority 100; masquerade; }
}
table inet fw {
	map ways { type inet_service : verdict; elements = { 22 : drop }; }
	chain raw { type filter hook prerouting priority raw; tcp dport 4143 notrack; meta mark set 7; }
	chain in { type filter hook input priority filter; policy drop; tcp dport 4143 accept; }
	chain out { type filter hook output priority filter; tcp dport { 3306, 3307 } drop; ip6 daddr fd00::/16 reject; tcp dport != 80 limit rate 1/second drop; tcp dport vmap @ways; }
	chain quiet { type filter hook prerouting priority 0; counter; }
}
table inet shunt-not { chain beside { type nat hook output priority -100; meta skuid 1000 tcp dport 1 redirect to :2; }; }
`, "nft", "-f", "-")
		const want = `inet fw raw: filter prerouting -300, before shunt's rules
  tcp dport { 4143 } notrack
ip early first: nat prerouting -150, before shunt's rules
  tcp dport { 3306 } dnat to 10.0.0.9:3307
  tcp dport { 8080 } redirect to :8081
inet fw quiet: filter prerouting 0, after shunt's rules
inet fw in: filter input 0 drops, after shunt's rules
ip early out: nat output -150, before shunt's rules
  tcp dport { 5432 } ip daddr { 10.0.0.7, 10.0.0.9 } dnat to 10.0.0.9
inet shunt-not beside: nat output -100, at the same priority as shunt's rules
  tcp dport { 1 } meta skuid 1000 redirect to :2
inet fw out: filter output 0, after shunt's rules
  tcp dport { 3306, 3307 } drop
  ip6 daddr { fd00::/16 } reject
  meta l4proto tcp drop (a comparison that shunt does not write, with 0050; expression limit)
  meta l4proto tcp a map of verdicts (a lookup in ways)
`
		if got := describe(t, b); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// More than is worth reading is named, and not read on.
func TestOthersThatAreTooLargeAreNamed(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	within(t, func(ns *netnstest.NS, b *Backend) {
		ns.Exec(t, "table ip big { chain in { type filter hook input priority 0;\n"+strings.Repeat("tcp dport 1 drop\n", maxOtherRules+1)+"}; }\n", "nft", "-f", "-")
		const want = "ip big in: filter input 0, after shunt's rules; unread: more than 5000 rules\n"
		if got := describe(t, b); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		var many strings.Builder
		for i := range maxOnTheWay {
			fmt.Fprintf(&many, "table ip many { chain c%d { type filter hook input priority %d; }; }\n", i, i)
		}
		ns.Exec(t, many.String(), "nft", "-f", "-")
		found, unread, err := b.Others(t.Context())
		if err != nil || len(found) > 0 || unread != "the tables of others: more than 100 base chains" {
			t.Errorf("%d chains, unread %q, %v", len(found), unread, err)
		}
	})
}

// Of iptables-nft's chains only what is not shunt's counts: the jumps to
// PROXY_INIT_* lead to rules of ours.
func TestOthersInIptablesChains(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "iptables-nft-restore")
	within(t, func(ns *netnstest.NS, b *Backend) {
		ns.Exec(t, `*nat
:PROXY_INIT_REDIRECT - [0:0]
:DOCKER - [0:0]
-A PREROUTING -p tcp -j DOCKER
-A PREROUTING -j PROXY_INIT_REDIRECT
-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143
-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A POSTROUTING -j MASQUERADE
COMMIT
`, "iptables-nft-restore")
		got := describe(t, b)
		if !strings.HasPrefix(got, "ip nat PREROUTING: nat prerouting -100, at the same priority as shunt's rules\n") ||
			strings.Count(got, "\n  ") != 1 || !strings.Contains(got, "8080") || !strings.Contains(strings.ToLower(got), "dnat") {
			t.Errorf("got:\n%s", got)
		}
	})
}
