package config

import (
	"strings"
	"testing"
)

func TestResolveBackend(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		names         Names
		args          string
		backend, mode string
		note          string // a part of it; empty: none
		err           string // of Validate
	}{
		{name: "nothing said", backend: "auto"},
		{name: "nothing said under Linkerd's names works everywhere", names: LinkerdNames, backend: "auto"},
		{name: "auto said", args: "--backend auto --iptables-mode auto", backend: "auto"},
		{name: "nftables", args: "--backend nftables", backend: "nftables"},
		{name: "iptables in any mode", args: "--backend iptables", backend: "iptables", mode: "auto"},
		{name: "iptables-nft by name", args: "--backend iptables --iptables-mode nft", backend: "iptables", mode: "nft"},
		{name: "iptables-legacy by name", args: "--backend iptables --iptables-mode legacy", backend: "iptables", mode: "legacy"},
		{name: "plain by name", args: "--backend iptables --iptables-mode plain", backend: "iptables", mode: "plain"},
		{name: "Linkerd's charts say nft", names: LinkerdNames, args: "--firewall-bin-path iptables-nft --firewall-save-bin-path iptables-nft-save",
			backend: "nftables", note: "iptables mode nft (flag --firewall-bin-path) means nf_tables"},
		{name: "nft alone", args: "--iptables-mode nft", backend: "nftables", note: "iptables mode nft (flag --iptables-mode) means nf_tables"},
		{name: "nft beside auto", args: "--backend auto --iptables-mode nft", backend: "nftables", note: "means nf_tables"},
		{name: "nft beside nftables is the same said twice", args: "--backend nftables --iptables-mode nft", backend: "nftables"},
		{name: "legacy names binaries", args: "--iptables-mode legacy", backend: "iptables", mode: "legacy", note: "iptables mode legacy (flag --iptables-mode) names binaries"},
		{name: "legacy wins over auto", args: "--backend auto --iptables-mode legacy", backend: "iptables", mode: "legacy", note: "names binaries"},
		{name: "legacy by its binary", args: "--firewall-bin-path iptables-legacy", backend: "iptables", mode: "legacy", note: "flag --firewall-bin-path"},
		{name: "plain names binaries", args: "--iptables-mode plain", backend: "iptables", mode: "plain", note: "names binaries"},
		{name: "plain by its binary", args: "--firewall-bin-path iptables", backend: "iptables", mode: "plain", note: "names binaries"},
		{name: "auto beside nftables", args: "--backend nftables --iptables-mode auto", backend: "nftables"},
		{name: "nftables contradicts legacy", args: "--backend nftables --iptables-mode legacy", backend: "nftables",
			err: "backend nftables (flag --backend) contradicts iptables mode legacy (flag --iptables-mode), which calls a binary: give one of them"},
		{name: "nftables contradicts plain", args: "--backend nftables --firewall-bin-path iptables", backend: "nftables",
			err: "backend nftables (flag --backend) contradicts iptables mode plain (flag --firewall-bin-path), which calls a binary: give one of them"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(tc.args), "--incoming-proxy-port", "4143", "--outgoing-proxy-port", "4140", "--proxy-uid", "2102")
			c, err := layers{names: tc.names, args: args}.load(t)
			if err != nil {
				t.Fatal(err)
			}
			backend, mode, note := c.ResolveBackend()
			if backend != tc.backend || mode != tc.mode || !strings.Contains(note, tc.note) || (note == "") != (tc.note == "") {
				t.Errorf("%s %s %q, want %s %s %q", backend, mode, note, tc.backend, tc.mode, tc.note)
			}
			_, err = c.Validate()
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || err.Error() != tc.err) {
				t.Errorf("validate: %v, want %q", err, tc.err)
			}
		})
	}
}
