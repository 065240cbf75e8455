package iptables

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

func TestSnapshotOfAnotherBackendIsRefused(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b, other := backend(t, mode), backend(t, mode)
		settled(t, b, standard(), 2)
		found, err := b.Find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, n int, err error) {
			t.Helper()
			if n != 0 || !errors.Is(err, apply.ErrNoSnapshot) {
				t.Errorf("%s: %d commits, %v", what, n, err)
			}
		}
		before := saved(t, mode, "ip")
		for what, s := range map[string]apply.Snapshot{"none": nil, "another backend's": read(t, other)} {
			n, err := b.Apply(t.Context(), s, apply.Desired{Plan: mapped(everything())})
			refused("apply with "+what, n, err)
			n, err = b.Clear(t.Context(), s)
			refused("clear with "+what, n, err)
		}
		n, err := b.Apply(t.Context(), found, apply.Desired{Plan: mapped(everything())})
		refused("apply with what clear needs", n, err)
		if after := saved(t, mode, "ip"); after != before {
			t.Errorf("the rules were:\n%s\nand are:\n%s", before, after)
		}
	})
}

func TestSnapshotFromBeforeAnOwnCommitIsStale(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		first := read(t, b)
		if _, err := b.Apply(t.Context(), first, apply.Desired{Plan: mapped(standard())}); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Apply(t.Context(), first, apply.Desired{Plan: mapped(everything())}); n != 0 || !errors.Is(err, apply.ErrStale) {
			t.Errorf("apply: %d commits, %v", n, err)
		}
		if n, err := b.Clear(t.Context(), first); n != 0 || !errors.Is(err, apply.ErrStale) {
			t.Errorf("clear: %d commits, %v", n, err)
		}
		settled(t, b, standard(), 0)
	})
}

// A snapshot is a value: reading again takes nothing from it and adds nothing.
func TestSnapshotIsNotChangedByALaterRead(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		first := read(t, b)
		before := textOf(b, first.State())
		sh(t, mode, `iptables-$v -t nat -F PROXY_INIT_OUTPUT`)
		if textOf(b, read(t, b).State()) == before {
			t.Fatal("the drift is not seen")
		}
		if after := textOf(b, first.State()); after != before {
			t.Errorf("it was:\n%s\nand is:\n%s", before, after)
		}
	})
}

func TestDebugLogShowsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	isolate(t)
	var log strings.Builder
	b := with(t, Options{Mode: ModeNFT, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	settled(t, b, standard(), 2)
	for _, want := range []string{"family=ip ", "family=ip6 ", `*nat\n:PROXY_INIT_REDIRECT - [0:0]\n`, `--to-ports 4143\n`, "COMMIT"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not show %q:\n%s", want, log.String())
		}
	}
	log.Reset()
	settled(t, b, large(1000), 2)
	if !strings.Contains(log.String(), "more lines") || log.Len() > 4*excerptLimit {
		t.Errorf("the log has %d bytes:\n%s", log.Len(), log.String())
	}
}

func TestPlainCommandsOfTwoVariantsAreRefused(t *testing.T) {
	t.Parallel()
	f := fakes{dir: t.TempDir(), only: true}
	f.write(t, "iptables-restore", "echo 'iptables-restore v1.8.9 (nf_tables)'")
	f.write(t, "ip6tables-restore", "echo 'ip6tables-restore v1.8.9 (legacy)'")
	_, err := New(t.Context(), Options{Mode: ModePlain, Lookup: f.lookup})
	if !errors.Is(err, ErrMixedVariants) {
		t.Errorf("with IPv6: %v", err)
	}
	b, err := New(t.Context(), Options{Mode: ModePlain, Lookup: f.lookup, NoIPv6: true})
	if err != nil || b.ID() != apply.IPTablesNFT || b.variant(plan.IPv6) != ModeLegacy {
		t.Errorf("without IPv6: %+v, %v", b, err)
	}
}
