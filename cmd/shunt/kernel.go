package main

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/nftables"
	"shunt/plan"
)

// errBeforeActing marks an error that came before anything was touched.
var errBeforeActing = errors.New("nothing was touched")

type untouched struct{ error }

func (u untouched) Unwrap() []error { return []error{u.error, errBeforeActing} }

// target says in which network namespace a verb works.
type target struct {
	path string
	pid  int
}

func (t *target) bind(fs *pflag.FlagSet) {
	fs.StringVar(&t.path, "netns", "", "work in the network namespace of this file, not the current one (needs CAP_SYS_ADMIN)")
	fs.IntVar(&t.pid, "pid", 0, "work in the network namespace of this process (needs CAP_SYS_ADMIN)")
}

func (t *target) open() (*netns.NS, error) {
	switch {
	case t.path != "" && t.pid != 0:
		return nil, &config.InputError{Err: errors.New("--netns and --pid were both given: give one")}
	case t.path != "":
		return netns.Open(t.path)
	case t.pid != 0:
		return netns.OpenPID(t.pid)
	}
	return netns.Current()
}

// inside opens the target namespace and runs f in it, as the function inside
// does.
func (t *target) inside(ctx context.Context, lockTimeout time.Duration, f func() error) error {
	ns, err := t.open()
	if err != nil {
		return untouched{err}
	}
	defer ns.Close()
	return inside(ctx, ns, lockTimeout, f)
}

// inside runs f in a namespace, under its lock, with the network capabilities
// raised.
func inside(ctx context.Context, ns *netns.NS, lockTimeout time.Duration, f func() error) error {
	acting := false
	err := ns.Do(func() error {
		if err := raiseCaps(); err != nil {
			return err
		}
		unlock, err := ns.Lock(ctx, lockTimeout)
		if err != nil {
			return err
		}
		defer unlock()
		acting = true
		return f()
	})
	if err != nil && !acting {
		return untouched{err}
	}
	return err
}

// kernel makes the backends for the calling thread's namespace.
type kernel struct {
	cfg   config.Config
	hash  string // the plan's
	stamp string
	log   *slog.Logger

	// noteLevel is the level of the remark on how the backend was chosen.
	noteLevel slog.Level

	// thorough looks for legacy rules even where that makes the table: as
	// another user than root nothing else tells whether there are any.
	thorough bool

	// idle: nothing connects in the namespace yet.
	idle bool

	nft *nftables.Backend
}

func (k *kernel) close() {
	if k.nft != nil {
		k.nft.Close()
	}
}

// nftables returns the one nftables backend, opened when first asked for.
func (k *kernel) nftables() (*nftables.Backend, error) {
	if k.nft == nil {
		b, err := nftables.Open(k.stamp)
		if err != nil {
			return nil, err
		}
		b.Idle = k.idle
		k.nft = b
	}
	return k.nft, nil
}

// iptables returns the backend of a mode; as a finder of leftovers it leaves
// alone what it cannot see without making a table.
func (k *kernel) iptables(mode string, leftovers bool) (*iptables.Backend, error) {
	if !leftovers {
		// With 5,000 ports a run ends with 4 to 6 MiB of heap; the one collection
		// that is due at 4 costs a twentieth of it. Now it is due at 16.
		debug.SetGCPercent(400)
	}
	return iptables.New(iptables.Options{
		Mode:        mode,
		Leftovers:   leftovers,
		NoIPv6:      !k.cfg.IPv6,
		Stamp:       k.stamp,
		WaitSeconds: int(math.Ceil(k.cfg.LockTimeout.Seconds())),
		HasNAT:      k.hasNAT,
		Children:    passCaps,
		Log:         k.log,
	})
}

// hasNAT reports whether iptables-nft has a nat table here.
func (k *kernel) hasNAT(fam plan.Family) (bool, error) {
	nft, err := k.nftables()
	if err != nil {
		return false, err
	}
	return nft.HasNAT(fam)
}

// candidates returns the backends to try, in order, each with the reason why
// it stands there.
func (k *kernel) candidates() []apply.Candidate {
	nft := func(reason string) apply.Candidate {
		return apply.Candidate{Name: nftables.Name, Reason: reason, Open: func() (apply.Backend, error) { return k.nftables() }}
	}
	ipt := func(mode, name, reason string) apply.Candidate {
		return apply.Candidate{Name: name, Reason: reason, Open: func() (apply.Backend, error) { return k.iptables(mode, false) }}
	}
	backend, mode, note := k.cfg.ResolveBackend()
	if note != "" {
		k.log.Log(context.Background(), k.noteLevel, note)
	}
	switch {
	case backend == config.BackendNftables && note != "":
		return []apply.Candidate{nft("iptables mode nft means nf_tables")}
	case backend == config.BackendNftables:
		return []apply.Candidate{nft("asked for by name")}
	case backend == config.BackendIptables && mode == config.ModeAuto:
		return []apply.Candidate{
			ipt(iptables.ModeNFT, "iptables-nft", "iptables was asked for; its nft variant comes first"),
			ipt(iptables.ModeLegacy, "iptables-legacy", "iptables was asked for, and its nft variant cannot be used"),
		}
	case backend == config.BackendIptables && mode == config.ModePlain:
		return []apply.Candidate{ipt(mode, "iptables", "asked for by name")}
	case backend == config.BackendIptables:
		return []apply.Candidate{ipt(mode, "iptables-"+mode, "asked for by name")}
	}
	return []apply.Candidate{
		nft("auto: the first choice"),
		ipt(iptables.ModeNFT, "iptables-nft", "auto: nftables cannot be used"),
		ipt(iptables.ModeLegacy, "iptables-legacy", "auto: neither nftables nor iptables-nft can be used"),
	}
}

// owners returns every place where rules of ours can be. A kernel without
// nf_tables has none there.
func (k *kernel) owners() ([]apply.Owner, error) {
	legacy, err := k.iptables(iptables.ModeLegacy, !k.thorough)
	if err != nil {
		return nil, err
	}
	nft, err := k.nftables()
	if errors.Is(err, plan.ErrNotSupported) {
		return []apply.Owner{legacy}, nil
	}
	if err != nil {
		return nil, err
	}
	return []apply.Owner{nft, nft.Leftovers(), legacy}, nil
}

func (k *kernel) engine() *apply.Engine {
	return &apply.Engine{
		Candidates:    k.candidates(),
		Owners:        k.owners,
		HasGlobalIPv6: netns.HasGlobalIPv6,
		Log:           k.log,
	}
}
