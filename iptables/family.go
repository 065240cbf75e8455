package iptables

import (
	"context"
	"errors"
	"strconv"

	"shunt/plan"
)

// readFamily reads one family's nat table.
func (b *Backend) readFamily(ctx context.Context, fam plan.Family) (*table, error) {
	variant, err := b.variant(ctx, fam)
	exists := false // a legacy table that we have to know about
	if variant != ModeNFT {
		var unknown error
		exists, unknown = natExists(fam)
		switch {
		case err != nil: // plain mode, and no command to ask which variant it is
		case unknown != nil && (b.opt.Leftovers || b.opt.NoIPv6 && fam == plan.IPv6):
			b.cannotTell(fam, unknown)
			return &table{}, nil
		case unknown == nil && !exists:
			return &table{}, nil
		}
	}
	if variant == ModeNFT && b.opt.HasNAT != nil {
		if has, err := b.opt.HasNAT(fam); err == nil && !has {
			return &table{}, nil
		}
	}
	var text string
	if err == nil {
		text, err = b.run(ctx, fam, "save", nil, nil, "-t", "nat", "-c")
	}
	switch {
	case err == nil:
		return parseSave(text, fam)
	case exists:
		return nil, unreadable{err}
	case fam == plan.IPv6 && errors.Is(err, plan.ErrNotSupported):
		// No command or no kernel for it: a plan without IPv6 must not fail
		// for that, and one with IPv6 fails when it is applied.
		b.opt.Log.Debug("nothing of IPv6 can be read", "error", err)
		return &table{}, nil
	}
	return nil, err
}

// cannotTell logs, once, that legacy rules may be there and were not looked for:
// if there are any, they take away the bypasses of the rules that are live.
func (b *Backend) cannotTell(fam plan.Family, unknown error) {
	if fam == plan.IPv4 && b.opt.Leftovers {
		b.opt.Log.Info("cannot tell whether legacy iptables has rules here, so they were not looked for: the list of its tables is for root of the namespace only; shunt clear, or shunt init as root, removes what an earlier run left", "error", unknown)
		return
	}
	b.opt.Log.Debug("cannot tell whether there is a legacy table, so none is looked for", "family", fam.String(), "error", unknown)
}

// restore commits text, all of it or nothing.
func (b *Backend) restore(ctx context.Context, fam plan.Family, text []byte) error {
	variant, err := b.variant(ctx, fam)
	if err != nil {
		return err
	}
	var env []string
	if variant == ModeLegacy { // the other variant has the kernel's own transactions
		lock, done := b.lockFile()
		defer done()
		if lock != "" {
			env = append(env, lockVariable+"="+lock)
		}
	}
	_, err = b.run(ctx, fam, "restore", text, env, "--noflush", "-w", strconv.Itoa(b.opt.WaitSeconds))
	if errors.Is(err, errNoReason) {
		// Legacy restores do not say why a table cannot be had; saves do.
		if _, reason := b.run(ctx, fam, "save", nil, nil, "-t", "nat"); reason != nil {
			return reason
		}
	}
	return err
}
