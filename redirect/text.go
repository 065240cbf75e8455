package redirect

import (
	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/nftables"
	"shunt/plan"
)

// NftText returns the rules of a validated configuration as `nft -f` loads them.
func NftText(cfg config.Config, version string) string {
	p := plan.Build(cfg)
	return nftables.Render(p, apply.Stamp{Version: version, Plan: p.Hash()})
}

// IptablesText returns the rules of a validated configuration as
// iptables-restore loads them, one text a family, for the configured mode;
// without one, for whichever iptables the reader has.
func IptablesText(cfg config.Config, version string) string {
	_, mode, _ := cfg.ResolveBackend()
	if mode == "" || mode == config.ModeAuto {
		mode = iptables.ModePlain
	}
	p := plan.Build(cfg)
	return iptables.Render(mode, apply.Desired{Plan: p, Stamp: apply.Stamp{Version: version, Plan: p.Hash()}})
}
