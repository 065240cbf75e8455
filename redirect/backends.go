package redirect

import (
	"context"
	"errors"
	"os"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/nftables"
	"shunt/plan"
)

// backends makes the backends for the calling thread's namespace, each when it
// is first asked for.
type backends struct {
	*Rules
	nft *nftables.Backend

	lock   *netns.Lock // a writer's, while it is held
	noLock error       // why a writer does not have it
}

// engine returns the engine for the calling thread's namespace.
func (b *backends) engine(ctx context.Context) *apply.Engine {
	return &apply.Engine{
		Candidates:    b.candidates(ctx),
		Owners:        func() ([]apply.Owner, error) { return b.owners(ctx) },
		HasGlobalIPv6: netns.HasGlobalIPv6,
		Settle:        netns.Settle,
		Version:       b.opt.Version,
		Log:           b.opt.Log,
	}
}

func (b *backends) close() {
	if b.nft != nil {
		b.nft.Close()
	}
}

func (b *backends) nftables() (*nftables.Backend, error) {
	if b.nft == nil {
		nft, err := nftables.Open(nftables.Options{Settle: netns.Settle, Idle: b.opt.Idle, Log: b.opt.Log})
		if err != nil {
			return nil, err
		}
		b.nft = nft
	}
	return b.nft, nil
}

// iptables returns the backend of a mode; as a finder of leftovers it leaves
// alone what it cannot see without creating a table.
func (b *backends) iptables(ctx context.Context, mode string, leftovers bool) (*iptables.Backend, error) {
	var inherit []*os.File
	if b.lock != nil {
		inherit = []*os.File{b.lock.File()} // an orphan holds it as long as it can still commit
	}
	return iptables.New(ctx, iptables.Options{
		Mode:        mode,
		Leftovers:   leftovers,
		NoIPv6:      !b.cfg.IPv6,
		WaitSeconds: b.lockWait(),
		HasNAT:      b.hasNAT,
		Secure:      b.opt.Secure,
		Children:    passCaps,
		Inherit:     inherit,
		Log:         b.opt.Log,
	})
}

// hasNAT reports whether iptables-nft has a nat table here.
func (b *backends) hasNAT(fam plan.Family) (bool, error) {
	nft, err := b.nftables()
	if err != nil {
		return false, err
	}
	return nft.HasNAT(fam)
}

// candidates returns the backends to try, in order, each with the reason for
// its place in the order.
func (b *backends) candidates(ctx context.Context) []apply.Candidate {
	nft := func(reason string) apply.Candidate {
		return apply.Candidate{Name: string(apply.NFTables), Reason: reason, Open: func() (apply.Backend, error) { return b.nftables() }}
	}
	ipt := func(mode, name, reason string) apply.Candidate {
		return apply.Candidate{Name: name, Reason: reason, Open: func() (apply.Backend, error) {
			if err := b.exclusive(); err != nil {
				return nil, err
			}
			return b.iptables(ctx, mode, false)
		}}
	}
	backend, mode, note := b.cfg.ResolveBackend()
	if note != "" {
		b.opt.Log.Log(ctx, b.opt.NoteLevel, note)
	}
	switch {
	case backend == config.BackendNftables && note != "":
		return []apply.Candidate{nft("iptables mode nft means nf_tables")}
	case backend == config.BackendNftables:
		return []apply.Candidate{nft("asked for by name")}
	case backend == config.BackendIptables && mode == config.ModeAuto:
		return []apply.Candidate{
			ipt(iptables.ModeNFT, string(apply.IPTablesNFT), "iptables was asked for; its nft variant comes first"),
			ipt(iptables.ModeLegacy, string(apply.IPTablesLegacy), "iptables was asked for, and its nft variant cannot be used"),
		}
	case backend == config.BackendIptables:
		name := "iptables-" + mode
		if mode == config.ModePlain {
			name = "iptables"
		}
		list := []apply.Candidate{ipt(mode, name, "asked for by name")}
		if note != "" && b.cfg.Fallback {
			list = append(list, b.fallback(name))
		}
		return list
	}
	return []apply.Candidate{
		nft("auto: the first choice"),
		ipt(iptables.ModeNFT, string(apply.IPTablesNFT), "auto: nftables cannot be used"),
		ipt(iptables.ModeLegacy, string(apply.IPTablesLegacy), "auto: neither nftables nor iptables-nft can be used"),
	}
}

// fallback is the nftables backend in place of the iptables binaries that
// Linkerd's configuration names. Linkerd's own program would take whichever
// binaries there are, those of nf_tables first.
func (b *backends) fallback(name string) apply.Candidate {
	return apply.Candidate{Name: string(apply.NFTables), Reason: name + " cannot be used", Open: func() (apply.Backend, error) {
		b.opt.Log.Warn(name + " was asked for and cannot be used here: using shunt's nftables backend, which needs no binaries")
		return b.nftables()
	}}
}

// owners returns every place where rules of ours can be. A kernel without
// nf_tables has none there.
func (b *backends) owners(ctx context.Context) ([]apply.Owner, error) {
	ipt, err := b.iptables(ctx, iptables.ModeLegacy, !b.opt.Thorough)
	if err != nil {
		return nil, err
	}
	var legacy apply.Owner = ipt
	if err := b.exclusive(); err != nil {
		legacy = unlocked{ipt, err}
	}
	nft, err := b.nftables()
	if errors.Is(err, apply.ErrNotSupported) {
		return []apply.Owner{legacy}, nil
	}
	if err != nil {
		return nil, err
	}
	return []apply.Owner{nft, nft.Leftovers(), legacy}, nil
}
