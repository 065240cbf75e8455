package iptables

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// fakes is a Lookup that finds scripts before the real commands.
type fakes struct {
	dir  string
	only bool // no real commands
}

// fake writes a command. Scripts run with the real commands in their PATH.
func (f fakes) write(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (f fakes) lookup(name string) (string, error) {
	if path, err := exec.LookPath(filepath.Join(f.dir, name)); err == nil || f.only {
		return path, err
	}
	return FindCommand(name)
}

func withFakes(t *testing.T, mode string, f fakes) *Backend {
	t.Helper()
	return with(t, Options{Mode: mode, Lookup: f.lookup})
}

func TestCommandsBehindTheMultiProgram(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		b.opt.Lookup = func(name string) (string, error) {
			if !strings.HasSuffix(name, "-multi") {
				return "", exec.ErrNotFound
			}
			return FindCommand(name)
		}
		settled(t, b, standard(), 2)
	})
}

func TestPlainModeFindsOutWhichVariantItIs(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		for _, how := range []string{"link", "script"} {
			f := fakes{dir: t.TempDir(), only: true}
			for _, name := range []string{"iptables-restore", "iptables-save", "ip6tables-restore", "ip6tables-save"} {
				real, err := FindCommand(strings.Replace(name, "-", "-"+mode+"-", 1))
				if err != nil {
					t.Fatal(err)
				}
				if how == "link" {
					if err := os.Symlink(real, filepath.Join(f.dir, name)); err != nil {
						t.Fatal(err)
					}
				} else {
					f.write(t, name, "exec "+real+" \"$@\"")
				}
			}
			b := withFakes(t, ModePlain, f)
			if b.ID() != apply.ID("iptables-"+mode) {
				t.Errorf("by %s it is %q", how, b.ID())
			}
			settled(t, b, standard(), map[string]int{"link": 2, "script": 0}[how])
		}
	})
}

func TestNameOfUnknownModeIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := New(t.Context(), Options{Mode: "ebtables"}); err == nil {
		t.Error("no error")
	}
}

func TestReadOnlyRunIsNoObstacle(t *testing.T) {
	t.Parallel()
	for _, temp := range []string{"writable", "read-only"} {
		t.Run(temp, func(t *testing.T) {
			t.Parallel()
			isolate(t)
			// CLONE_FS first: threads share their root, and a mount namespace
			// is refused to those that do.
			if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
				skip(t, "needs root to make a mount namespace in: "+err.Error())
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				t.Fatal(err)
			}
			mountEmpty(t, "/run", unix.MS_RDONLY)
			dir := os.TempDir()
			mountEmpty(t, dir, map[string]uintptr{"writable": 0, "read-only": unix.MS_RDONLY}[temp])
			var log strings.Builder
			b := backend(t, ModeLegacy)
			b.opt.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			settled(t, b, standard(), 2)
			if temp == "read-only" && !strings.Contains(log.String(), "going on without a lock") {
				t.Errorf("the log says nothing of the lock: %s", log.String())
			}
			if left, _ := filepath.Glob(dir + "/shunt-xtables-*.lock"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestUserOtherThanRootWithCapabilities(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		if os.Geteuid() != 0 || !allMapped() {
			skip(t, "needs root to become another user")
		}
		b := backend(t, mode)
		caps := []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}
		b.opt.Children = func(c *exec.Cmd) {
			c.SysProcAttr = &syscall.SysProcAttr{AmbientCaps: caps, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			c.Env = append(c.Env, lockVariable+"=/dev/null")
		}
		settled(t, b, standard(), 2)
		live := read(t, b)
		caps = nil
		sh(t, mode, "iptables-$v -t nat -L -n") // makes the legacy table, which is then read with a command
		_, err := b.Read(t.Context())
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "NET_ADMIN") {
			t.Errorf("read without capabilities: %v", err)
		}
		if _, err := b.Apply(t.Context(), live, apply.Desired{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("apply without capabilities: %v", err)
		}
	})
}

func TestLookingMakesNoTableWhereItsExistenceCannotBeTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		opt    Options
		v4, v6 bool // exist afterwards
	}{
		{"the backend of choice", Options{}, true, true},
		{"the backend of choice, IPv6 off", Options{NoIPv6: true}, true, false},
		{"looking for leftovers", Options{Leftovers: true}, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			isolate(t)
			if os.Geteuid() != 0 || !allMapped() {
				skip(t, "needs root to become another user")
			}
			test.opt.Mode = ModeLegacy
			b, err := New(t.Context(), test.opt)
			if err != nil {
				t.Fatal(err)
			}
			asNobody(t, func() {
				if _, err := natExists(plan.IPv4); !errors.Is(err, fs.ErrPermission) {
					t.Fatalf("nobody may read the list of tables: %v", err)
				}
				if s, err := b.Read(t.Context()); err != nil || !s.State().Empty() {
					t.Errorf("read: %v, %v", s, err)
				}
			})
			for fam, want := range map[plan.Family]bool{plan.IPv4: test.v4, plan.IPv6: test.v6} {
				if got, err := natExists(fam); got != want || err != nil {
					t.Errorf("%v table exists: %v, %v", fam, got, err)
				}
			}
		})
	}
}

// asNobody runs f with the calling thread's access to files being nobody's.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
	set := func(id int) {
		if err := errors.Join(unix.Setfsgid(id), unix.Setfsuid(id)); err != nil {
			t.Fatal(err)
		}
	}
	set(65534)
	defer set(0)
	f()
}

func TestChildrenArePerFamilyOneReadAndOneRestore(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		var ran []string
		b := backend(t, mode)
		b.opt.Children = func(c *exec.Cmd) { ran = append(ran, c.Args[0]) }
		expect := func(what string, want ...string) {
			t.Helper()
			for i := range want {
				want[i] = strings.Replace(want[i], "-", "-"+mode+"-", 1)
			}
			if !slices.Equal(ran, want) {
				t.Errorf("%s ran %q, want %q", what, ran, want)
			}
			ran = nil
		}
		commit := func() {
			t.Helper()
			live := read(t, b)
			ran = nil
			if _, err := b.Apply(t.Context(), live, apply.Desired{Plan: mapped(standard())}); err != nil {
				t.Fatal(err)
			}
		}
		if read(t, b); mode == ModeLegacy { // where the kernel says that there is no table
			expect("a read of nothing")
		} else {
			expect("a read of nothing", "iptables-save", "ip6tables-save")
		}
		commit()
		expect("an apply", "iptables-restore", "ip6tables-restore")
		read(t, b)
		expect("a read", "iptables-save", "ip6tables-save")
		commit()
		expect("an apply that changes nothing")
	})
}

// mountEmpty mounts an empty directory over a path, in the thread's own mount
// namespace.
func mountEmpty(t *testing.T, path string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("none", path, "tmpfs", flags, ""); err != nil {
		t.Fatal(err)
	}
}
