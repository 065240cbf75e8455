package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// commandDirs are searched after PATH: init containers and CNI plugins run
// with odd ones.
const commandDirs = "/usr/sbin:/sbin:/usr/local/sbin"

// FindCommand finds a command in PATH, then in the system's sbin directories.
func FindCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path := findIn(commandDirs, name); path != "" {
		return path, nil
	}
	return "", err
}

// secureDirs are where a command is looked for on behalf of somebody who may
// not choose it; the last one is NixOS's.
const secureDirs = "/usr/sbin:/sbin:/usr/bin:/bin:/run/current-system/sw/bin"

func findSecure(name string) (string, error) {
	if path := findIn(secureDirs, name); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("not found in %s", secureDirs)
}

func findIn(dirs, name string) string {
	for dir := range strings.SplitSeq(dirs, ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path
		}
	}
	return ""
}

// atSecure reports whether the kernel started this program with privileges
// that the one who started it does not have.
func atSecure() bool {
	const secure = 23 // AT_SECURE in the kernel's include/uapi/linux/auxvec.h
	values, err := unix.Auxv()
	return err != nil || slices.ContainsFunc(values, func(v [2]uintptr) bool { return v[0] == secure && v[1] != 0 })
}

// commandName returns the name of a command: verb is restore or save.
func commandName(mode string, fam plan.Family, verb string) string {
	name := fam.String() + "tables-"
	if mode != ModePlain {
		name += mode + "-"
	}
	return name + verb
}

// find returns where a command is. Some distributions ship only the program
// that all commands of a variant are links to; it obeys the name it is called
// by, which stays the command's.
func (b *Backend) find(name string) (string, error) {
	path, err := b.opt.Lookup(name)
	if err == nil {
		return path, nil
	}
	if b.opt.Mode != ModePlain {
		if path, err := b.opt.Lookup("xtables-" + b.opt.Mode + "-multi"); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", name, missing{err})
}

// Installed returns an error that wraps apply.ErrNotSupported unless the commands
// that Apply runs can be found.
func (b *Backend) Installed() error {
	for _, fam := range families() {
		for _, verb := range []string{"save", "restore"} {
			if fam == plan.IPv6 && b.opt.NoIPv6 {
				continue
			}
			if _, err := b.find(commandName(b.opt.Mode, fam, verb)); err != nil {
				return err
			}
		}
	}
	return nil
}

// environment is what every child gets: little, and messages in English.
func (b *Backend) environment() []string {
	path := commandDirs
	if b.opt.Secure {
		path = secureDirs
	} else if set := os.Getenv("PATH"); set != "" {
		path = set + ":" + path
	}
	return []string{"PATH=" + path, "LC_ALL=C"}
}
