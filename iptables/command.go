package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

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
	for dir := range strings.SplitSeq(commandDirs, ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", err
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

// environment is what every child gets: little, and messages in English.
func environment() []string {
	path := os.Getenv("PATH")
	if path != "" {
		path += ":"
	}
	return []string{"PATH=" + path + commandDirs, "LC_ALL=C"}
}
