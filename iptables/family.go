package iptables

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"shunt/apply"
	"shunt/plan"
)

// readFamily reads one family's nat table.
func (b *Backend) readFamily(ctx context.Context, fam plan.Family, rules bool) (*table, error) {
	exists := false // a legacy table that we have to know about
	if b.variant(fam) == ModeLegacy {
		var err error
		exists, err = natExists(fam)
		unknown := errors.Is(err, fs.ErrPermission)
		switch {
		case unknown && (b.opt.Leftovers || b.opt.NoIPv6 && fam == plan.IPv6):
			b.cannotTell(fam, err)
			return &table{}, nil
		case unknown:
		case err != nil:
			return nil, err
		case !exists:
			return &table{}, nil
		}
	} else if b.opt.HasNAT != nil {
		if has, err := b.opt.HasNAT(fam); err == nil && !has {
			return &table{}, nil
		}
	}
	r := newSaveReader(fam, rules)
	err := b.run(ctx, child{family: fam, verb: "save", args: []string{"-t", "nat", "-c"}, output: r})
	switch {
	case r.err != nil: // it ended the command
		return nil, r.err
	case err == nil:
		return r.end()
	case exists:
		return nil, unreadable{err}
	case fam == plan.IPv6 && errors.Is(err, apply.ErrNotSupported):
		// No command or no kernel for it: a plan without IPv6 must not fail
		// for that, and one with IPv6 fails when it is applied.
		b.opt.Log.Debug("IPv6 rules cannot be read here", "error", err)
		return &table{}, nil
	}
	return nil, err
}

// cannotTell logs, once, that legacy rules may be there and were not looked for:
// if there are any, they take away the bypasses of the rules that are live.
func (b *Backend) cannotTell(fam plan.Family, unknown error) {
	if fam == plan.IPv4 && b.opt.Leftovers {
		b.opt.Log.Info("cannot tell whether legacy iptables has rules here, so they were not looked for: only root of the namespace may list its tables", "error", unknown)
		return
	}
	b.opt.Log.Debug("cannot tell whether there is a legacy table, so none is looked for", "family", fam.String(), "error", unknown)
}

// restore commits text, all of it or nothing.
func (b *Backend) restore(ctx context.Context, fam plan.Family, text string) error {
	b.commits++
	var env []string
	if b.variant(fam) == ModeLegacy { // the other variant has the kernel's own transactions
		lock, done := b.lockFile()
		defer done()
		if lock != "" {
			env = append(env, lockVariable+"="+lock)
		}
	}
	b.opt.Log.Debug("commit", "family", fam.String(), "text", excerpt(text))
	err := b.run(ctx, child{family: fam, verb: "restore", args: []string{"--noflush", "-w", strconv.Itoa(b.wait(ctx))}, env: env, input: text})
	if errors.Is(err, errNoReason) {
		// Legacy restores do not say why a table cannot be had; saves do.
		if _, reason := b.ask(ctx, child{family: fam, verb: "save", args: []string{"-t", "nat"}}); reason != nil {
			return reason
		}
	}
	return err
}

// wait returns how many seconds a restore is to wait for the lock: few enough that
// it can still say that it waited in vain.
func (b *Backend) wait(ctx context.Context) int {
	left := b.opt.Timeout
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	return max(1, min(b.opt.WaitSeconds, int(left/time.Second)-1))
}

// excerptLimit bounds how much of a commit the log shows.
const excerptLimit = 4 << 10

// excerpt returns the beginning of a text, whole lines of it.
func excerpt(text string) string {
	if len(text) <= excerptLimit {
		return text
	}
	cut := strings.LastIndexByte(text[:excerptLimit], '\n') + 1
	return fmt.Sprintf("%s… and %d more lines", text[:cut], strings.Count(text[cut:], "\n"))
}
