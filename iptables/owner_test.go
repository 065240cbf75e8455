package iptables

import (
	"errors"
	"strings"
	"testing"

	"shunt/apply"
)

func TestForeignRulesKeepOrderAndCounters(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		sh(t, mode, `
			for f in ip ip6; do
				${f}tables-$v -t nat -N MINE
				${f}tables-$v -t nat -A MINE -p udp -c 5 500 -j RETURN
				${f}tables-$v -t nat -A PREROUTING -c 1 100 -p udp --dport 53 -m comment --comment "to -j PROXY_INIT_REDIRECT" -j ACCEPT
				${f}tables-$v -t nat -A PREROUTING -c 2 200 -j MINE
				${f}tables-$v -t nat -A OUTPUT -c 3 300 -p udp -m comment --comment PROXY_INIT_OUTPUT -j ACCEPT
				${f}tables-$v -t nat -A POSTROUTING -c 4 400 -p udp -j ACCEPT
			done`)
		before := [2]string{saved(t, mode, "ip"), saved(t, mode, "ip6")}
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		sh(t, mode, `iptables-$v -t nat -A PREROUTING -j PROXY_INIT_REDIRECT`) // drift
		settled(t, b, everything(), 2)
		for i, f := range []string{"ip", "ip6"} {
			if got := withoutOurs(saved(t, mode, f)); got != before[i] {
				t.Errorf("%s was:\n%s\nand is:\n%s", f, before[i], got)
			}
		}
		clearAll(t, b, 2)
		for i, f := range []string{"ip", "ip6"} {
			if got := saved(t, mode, f); got != before[i] {
				t.Errorf("after clear %s was:\n%s\nand is:\n%s", f, before[i], got)
			}
		}
	})
}

func TestLinkerdsRulesAreTakenOver(t *testing.T) {
	t.Parallel()
	// What proxy-init writes, step by step; a run that was killed stops in
	// between. Taken from its documentation of the chains, for 4143 and 4140.
	steps := []string{
		`-N PROXY_INIT_REDIRECT`,
		`-A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 4190,4191,4567,4568 -j RETURN -m comment --comment proxy-init/ignore-port-4190,4191,4567,4568`,
		`-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143 -m comment --comment proxy-init/redirect-all-incoming-to-proxy-port`,
		`-A PREROUTING -j PROXY_INIT_REDIRECT -m comment --comment proxy-init/install-proxy-init-prerouting`,
		`-N PROXY_INIT_OUTPUT`,
		`-A PROXY_INIT_OUTPUT -m owner --uid-owner $u -j RETURN -m comment --comment proxy-init/ignore-proxy-user-id`,
		`-A PROXY_INIT_OUTPUT -o lo -j RETURN -m comment --comment proxy-init/ignore-loopback`,
		`-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140 -m comment --comment proxy-init/redirect-all-outgoing-to-proxy-port`,
		`-A OUTPUT -j PROXY_INIT_OUTPUT -m comment --comment proxy-init/install-proxy-init-output`,
	}
	for _, done := range []int{1, 3, 4, 5, 8, 9} {
		overVariants(t, func(t *testing.T, mode string) {
			for _, step := range steps[:done] {
				sh(t, mode, "iptables-$v -t nat "+step)
			}
			b := backend(t, mode)
			settled(t, b, standard(), 2)
			settled(t, b, standard(), 0)
		})
	}
}

func TestForeignRuleThatLeadsToOurChainIsKept(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		sh(t, mode, `iptables-$v -t nat -N MINE; iptables-$v -t nat -A MINE -p tcp -j PROXY_INIT_OUTPUT`)
		settled(t, b, standard(), 0)
		settled(t, b, everything(), 2)
		n, err := b.Clear(t.Context(), read(t, b))
		if n != 2 || err == nil || !strings.Contains(err.Error(), "-A MINE -p tcp -j PROXY_INIT_OUTPUT") {
			t.Errorf("clear: %d commits, %v", n, err)
		}
		got := saved(t, mode, "ip")
		if !strings.Contains(got, "-A MINE -p tcp -j PROXY_INIT_OUTPUT") || strings.Contains(got, "-A PROXY_INIT") || strings.Contains(got, ":PROXY_INIT_REDIRECT") {
			t.Errorf("left:\n%s", got)
		}
	})
}

func TestCommentWithALineEndIsNotACommand(t *testing.T) {
	t.Parallel()
	isolate(t)
	b := backend(t, ModeLegacy)
	settled(t, b, standard(), 2)
	sh(t, ModeLegacy, `iptables-$v -t nat -A OUTPUT -p udp -m comment --comment "x
-A OUTPUT -j PROXY_INIT_OUTPUT
y" -j ACCEPT`)
	settled(t, b, standard(), 0)

	sh(t, ModeLegacy, `iptables-$v -t nat -A OUTPUT -m comment --comment "x
-F
y" -j PROXY_INIT_OUTPUT`)
	before := saved(t, ModeLegacy, "ip")
	if n, err := try(t, b, standard()); n != 0 || err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("%d commits, %v", n, err)
	}
	if after := saved(t, ModeLegacy, "ip"); after != before {
		t.Errorf("the rules were:\n%s\nand are:\n%s", before, after)
	}
}

func TestTableThatOnlyNftUnderstandsIsAnError(t *testing.T) {
	t.Parallel()
	isolate(t)
	if _, err := FindCommand("nft"); err != nil {
		skip(t, "needs nft, of the nftables package")
	}
	b := backend(t, ModeNFT)
	settled(t, b, standard(), 2)
	sh(t, ModeNFT, `nft add rule ip nat PREROUTING tcp dport 80 redirect to :81`)
	if _, err := b.Read(t.Context()); !errors.Is(err, ErrIncompatible) {
		t.Errorf("read: %v", err)
	}
}

func TestRulesThatChangedSinceTheReadAreStale(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		sh(t, mode, `iptables-$v -t nat -A PREROUTING -p tcp -j PROXY_INIT_REDIRECT`)
		live := read(t, b)
		sh(t, mode, `iptables-$v -t nat -D PREROUTING -p tcp -j PROXY_INIT_REDIRECT`)
		if n, err := b.Apply(t.Context(), live, apply.Desired{Plan: mapped(everything())}); n != 0 || !errors.Is(err, apply.ErrStale) {
			t.Errorf("%d commits, %v", n, err)
		}
		settled(t, b, standard(), 0)
	})
}

// withoutOurs drops our chains and what leads to them.
func withoutOurs(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		ours := strings.HasPrefix(line, ":PROXY_INIT_") || strings.Contains(line, "-A PROXY_INIT_") ||
			strings.HasSuffix(line, "-j PROXY_INIT_REDIRECT\n") || strings.HasSuffix(line, "-j PROXY_INIT_OUTPUT\n")
		if !ours {
			b.WriteString(line)
		}
	}
	return b.String()
}
