package config

import (
	"fmt"
	"strings"
)

// The values of Config.Backend.
const (
	BackendAuto     = "auto"
	BackendNftables = "nftables"
	BackendIptables = "iptables"
)

// The values of Config.IptablesMode: which of iptables' variants is called.
const (
	ModeAuto   = "auto"   // whichever works
	ModeLegacy = "legacy" // iptables-legacy
	ModeNft    = "nft"    // iptables-nft
	ModePlain  = "plain"  // iptables, whatever that is on this host
)

func backends() []string { return []string{BackendAuto, BackendNftables, BackendIptables} }

func iptablesModes() []string { return []string{ModeAuto, ModeLegacy, ModeNft, ModePlain} }

// ResolveBackend says which backend the configuration asks for: "auto" (try
// one after the other), "nftables" or "iptables", and with "iptables" in
// which mode; mode is empty otherwise. The note, if any, is for the log: the
// iptables mode chose the backend.
//
// Linkerd's charts say nft by default, which means nf_tables: shunt's own
// backend does that without binaries, which many nodes lack. The modes legacy
// and plain name binaries. Only an explicit --backend iptables takes nft as
// the name of iptables-nft. Validate rejects what contradicts itself.
func (c Config) ResolveBackend() (backend, mode, note string) {
	switch {
	case c.Backend == BackendIptables:
		return BackendIptables, c.IptablesMode, ""
	case c.Backend == BackendNftables:
		return BackendNftables, "", ""
	case c.IptablesMode == ModeNft:
		return BackendNftables, "", fmt.Sprintf(
			"iptables mode nft (%s) means nf_tables: using shunt's nftables backend, which needs no binaries; --backend iptables calls iptables-nft instead",
			c.Sources.Of(settingIptablesMode))
	case c.IptablesMode == ModeLegacy, c.IptablesMode == ModePlain:
		return BackendIptables, c.IptablesMode, fmt.Sprintf(
			"iptables mode %s (%s) names binaries: using the iptables backend",
			c.IptablesMode, c.Sources.Of(settingIptablesMode))
	}
	return BackendAuto, "", ""
}

// modeOfBinary returns the iptables mode that Linkerd's --firewall-bin-path
// (suffix "") or --firewall-save-bin-path (suffix "-save") asks for.
func modeOfBinary(path, suffix string) (string, error) {
	switch base, ok := strings.CutSuffix(path, suffix); {
	case ok && base == "iptables":
		return ModePlain, nil
	case ok && base == "iptables-legacy":
		return ModeLegacy, nil
	case ok && base == "iptables-nft":
		return ModeNft, nil
	}
	return "", fmt.Errorf("%s is not a command that shunt knows: want iptables%s, iptables-legacy%s or iptables-nft%s",
		Quote(path), suffix, suffix, suffix)
}
