package redirect

import (
	"shunt/config"
	"shunt/iptables"
	"shunt/nftables"
	"shunt/plan"
)

// NftText returns the rules of a validated configuration as `nft -f` loads them.
func NftText(cfg config.Config, version string) string {
	p := plan.Build(cfg)
	return nftables.Render(p, plan.Stamp(version, p.Hash()))
}

// IptablesText returns the rules of a validated configuration as
// iptables-restore loads them, one text a family, for the configured mode;
// without one, for whichever iptables the reader has.
func IptablesText(cfg config.Config, version string) (string, error) {
	_, mode, _ := cfg.ResolveBackend()
	if mode == "" || mode == config.ModeAuto {
		mode = iptables.ModePlain
	}
	p := plan.Build(cfg)
	b, err := iptables.New(iptables.Options{Mode: mode, Stamp: plan.Stamp(version, p.Hash())})
	if err != nil {
		return "", err
	}
	return b.Render(p), nil
}
