package iptables

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

func TestSecondFamilyFailingPutsTheFirstBack(t *testing.T) {
	t.Parallel()
	olds := []struct{ name, script string }{
		{"fresh", `true`},
		{"foreign only", `iptables-$v -t nat -A PREROUTING -p udp -c 1 2 -j ACCEPT`},
		{"altered", `
			iptables-$v -t nat -N PROXY_INIT_REDIRECT
			iptables-$v -t nat -A PROXY_INIT_REDIRECT -s 10.0.0.0/8 -m comment --comment "some \"odd\" text" -j RETURN
			iptables-$v -t nat -A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 80
			iptables-$v -t nat -A PREROUTING -i eth0 -j PROXY_INIT_REDIRECT
			iptables-$v -t nat -A PREROUTING -p udp -c 1 2 -j ACCEPT
			iptables-$v -t nat -A PREROUTING -m comment --comment shunt/inbound -j PROXY_INIT_REDIRECT
			iptables-$v -t nat -A PREROUTING -p udp -c 3 4 -j RETURN
			iptables-$v -t nat -A PREROUTING -m comment --comment shunt/inbound -j PROXY_INIT_REDIRECT`},
		{"jump in its place", `
			iptables-$v -t nat -N PROXY_INIT_REDIRECT
			iptables-$v -t nat -A PREROUTING -m comment --comment shunt/inbound -j PROXY_INIT_REDIRECT -c 5 6
			iptables-$v -t nat -A PREROUTING -p udp -c 1 2 -j ACCEPT`},
	}
	for _, old := range olds {
		overVariants(t, func(t *testing.T, mode string) {
			sh(t, mode, old.script)
			before := saved(t, mode, "ip")
			f := fakes{dir: t.TempDir()}
			f.write(t, "ip6tables-"+mode+"-restore", "echo 'ip6tables-restore: no luck today' >&2; exit 3")
			b := withFakes(t, mode, f)
			_, err := try(t, b, standard())
			if err == nil || !strings.Contains(err.Error(), "no luck today") || !strings.Contains(err.Error(), "the old ip rules were put back") {
				t.Errorf("%s: %v", old.name, err)
			}
			after := saved(t, mode, "ip")
			if old.name == "fresh" && !strings.Contains(after, "PROXY_INIT") {
				return // the table exists now, with base chains and nothing in them
			}
			if after != before {
				t.Errorf("%s: the rules were:\n%s\nand are:\n%s", old.name, before, after)
			}
		})
	}
}

func TestSecondFamilyFailingAndTheFirstNotToBePutBack(t *testing.T) {
	t.Parallel()
	isolate(t)
	f := fakes{dir: t.TempDir()}
	f.write(t, "ip6tables-nft-restore", "echo one >&2; exit 3")
	f.write(t, "iptables-nft-restore", "test -e "+f.dir+"/ran && { echo two >&2; exit 4; }; touch "+f.dir+"/ran; exec iptables-nft-restore \"$@\"")
	_, err := try(t, withFakes(t, ModeNFT, f), standard())
	if err == nil || !strings.Contains(err.Error(), "exit status 3: one") || !strings.Contains(err.Error(), "exit status 4: two") {
		t.Errorf("the error does not say both: %v", err)
	}
}

func TestMissingCommandIsNamed(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{ModeLegacy, ModeNFT, ModePlain} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			isolate(t)
			f := fakes{dir: t.TempDir(), only: true}
			b, err := New(t.Context(), Options{Mode: mode, Lookup: f.lookup})
			if mode == ModeLegacy { // whose table is not there to be read
				_, err = try(t, b, standard())
			} else if mode == ModeNFT {
				_, err = b.Read(t.Context())
			}
			if !errors.Is(err, ErrMissingCommand) || !errors.Is(err, apply.ErrNotSupported) {
				t.Fatalf("not a missing command: %v", err)
			}
			if !strings.Contains(err.Error(), "find iptables-") {
				t.Errorf("the command is not named: %v", err)
			}
		})
	}
}

func TestMissingIPv6CommandMattersOnlyWithIPv6(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		b.opt.Lookup = func(name string) (string, error) {
			if strings.HasPrefix(name, "ip6") || strings.HasPrefix(name, "xtables") {
				return "", exec.ErrNotFound
			}
			return FindCommand(name)
		}
		_, err := try(t, b, standard())
		if !errors.Is(err, ErrMissingCommand) || !strings.Contains(err.Error(), "ip6tables-"+mode+"-restore") {
			t.Errorf("with IPv6: %v", err)
		}
		p := standard()
		p.IPv6 = false
		settled(t, b, p, 1)
	})
}

func TestLegacyTableThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	isolate(t)
	settled(t, backend(t, ModeLegacy), standard(), 2)
	b := backend(t, ModeLegacy)
	b.opt.Lookup = func(name string) (string, error) { return "", exec.ErrNotFound }
	_, err := b.Read(t.Context())
	if !errors.Is(err, ErrMissingCommand) || errors.Is(err, apply.ErrNotSupported) || !strings.Contains(err.Error(), "has a nat table of legacy iptables") {
		t.Errorf("read: %v", err)
	}
}

func TestHeldLockEndsInAnError(t *testing.T) {
	t.Parallel()
	isolate(t)
	lock := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(lock)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, seconds := range []int{0, 1, 2} {
		b, err := New(t.Context(), Options{Mode: ModeLegacy, WaitSeconds: seconds, Children: func(c *exec.Cmd) {
			c.Env = append(c.Env, lockVariable+"="+lock)
		}})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		n, err := try(t, b, standard())
		took := time.Since(start)
		if n != 0 || !errors.Is(err, ErrXtablesLocked) {
			t.Errorf("%d s: %d commits, %v", seconds, n, err)
		}
		if want := time.Duration(max(seconds, 1)) * time.Second; took < want || took > want+5*time.Second {
			t.Errorf("%d s: took %v", seconds, took)
		}
	}
}

func TestChildThatHangsIsKilled(t *testing.T) {
	t.Parallel()
	isolate(t)
	f := fakes{dir: t.TempDir()}
	f.write(t, "iptables-nft-save", "exec sleep 60")
	b := withFakes(t, ModeNFT, f)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := b.Read(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "iptables-nft-save -t nat -c") {
		t.Errorf("read: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestGivingUpBetweenTheFamiliesPutsTheFirstBack(t *testing.T) {
	t.Parallel()
	isolate(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := backend(t, ModeNFT)
	runs := 0
	b.opt.Children = func(c *exec.Cmd) {
		if strings.HasSuffix(c.Args[0], "restore") {
			if runs++; runs == 2 {
				cancel()
			}
		}
	}
	_, err := b.Apply(ctx, read(t, b), apply.Desired{Plan: mapped(standard())})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "put back") {
		t.Errorf("apply: %v", err)
	}
	if got := saved(t, ModeNFT, "ip"); strings.Contains(got, "PROXY_INIT") {
		t.Errorf("left:\n%s", got)
	}
}
