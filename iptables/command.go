package iptables

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// grace is how long a child may work, beyond its wait for the lock, before it
// is killed. A kill loses nothing: a restore commits in one piece.
const grace = 10 * time.Second

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

// command returns the name of a command: verb is restore or save.
func (b *Backend) command(fam plan.Family, verb string) string {
	name := fam.String() + "tables-"
	if b.opt.Mode != ModePlain {
		name += b.opt.Mode + "-"
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
	return "", marked{fmt.Errorf("find %s: %w", name, err), errMissing,
		"install the iptables package, or use --backend nftables, which needs no commands"}
}

// run runs one command to its end and returns its standard output. Its error
// says what was run and what came back. Input is what it gets on standard
// input, and what a line number in its complaints is about.
func (b *Backend) run(ctx context.Context, fam plan.Family, verb, input string, env []string, args ...string) (string, error) {
	name := b.command(fam, verb)
	path, err := b.find(name)
	if err != nil {
		return "", familyError(fam, err)
	}
	limit := time.Duration(b.opt.WaitSeconds)*time.Second + grace
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("killed, it did not end within %v", limit))
	defer cancel()

	var files [3]*os.File // standard input, output, error
	for i, text := range [3]string{input, "", ""} {
		if files[i], err = memoryFile(text); err != nil {
			return "", fmt.Errorf("%s: memory for its input and output: %w", name, err)
		}
		defer files[i].Close()
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = name
	cmd.Env = append(environment(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	if b.opt.Children != nil {
		b.opt.Children(cmd)
	}
	err = cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	stdout, stdoutErr := contents(files[1])
	stderr, stderrErr := contents(files[2])
	if err == nil {
		err = errors.Join(stdoutErr, stderrErr)
	}
	command := strings.Join(cmd.Args, " ")
	if err != nil {
		f := failure{command: command, path: path, cause: err, stderr: stderr, input: input}
		return "", familyError(fam, b.explain(f))
	}
	b.opt.Log.Debug("ran", "command", command, "stderr", strings.TrimSpace(stderr))
	if strings.Contains(stderr, "is incompatible") {
		return "", fmt.Errorf("%s: %w", command, errIncompatible)
	}
	return stdout, nil
}

// memoryFile returns a file in memory that holds text. A child that reads and
// writes such files never waits for us nor we for it, as with pipes: that
// costs more than the commands themselves do, in switches between threads.
func memoryFile(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("shunt", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memory")
	if text == "" {
		return f, nil
	}
	if _, err = f.WriteString(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// contents returns all that a child wrote to a memory file.
func contents(f *os.File) (string, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return "", err
	}
	text := make([]byte, size)
	_, err = f.ReadAt(text, 0)
	return string(text), err
}

// environment is what every child gets: little, and messages in English.
func environment() []string {
	path := os.Getenv("PATH")
	if path != "" {
		path += ":"
	}
	return []string{"PATH=" + path + commandDirs, "LC_ALL=C"}
}

// readFamily reads one family's nat table.
func (b *Backend) readFamily(ctx context.Context, fam plan.Family) (*table, error) {
	variant, err := b.variant(ctx, fam)
	if err == nil && variant == ModeLegacy {
		exists, listErr := natExists(fam)
		if listErr != nil {
			// Only the namespace's root may read the list. The table is what
			// an apply would make anyway.
			b.opt.Log.Debug("cannot tell whether the table exists, asking for it makes it", "error", listErr)
		} else if !exists {
			return &table{}, nil
		}
	}
	var text string
	if err == nil {
		text, err = b.run(ctx, fam, "save", "", nil, "-t", "nat", "-c")
	}
	if fam == plan.IPv6 && errors.Is(err, plan.ErrNotSupported) && !hasLegacyNAT6(variant) {
		// No command or no kernel for it: a plan without IPv6 must not fail
		// for that, and one with IPv6 fails when it is applied.
		b.opt.Log.Debug("nothing of IPv6 can be read", "error", err)
		return &table{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseSave(text, fam)
}

// hasLegacyNAT6 reports whether a legacy IPv6 table is known to be there, so
// that being unable to read it is no excuse.
func hasLegacyNAT6(variant string) bool {
	exists, err := natExists(plan.IPv6)
	return variant != ModeNFT && err == nil && exists
}

// restore commits text, all of it or nothing.
func (b *Backend) restore(ctx context.Context, fam plan.Family, text string) error {
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
		if _, reason := b.run(ctx, fam, "save", "", nil, "-t", "nat"); reason != nil {
			return reason
		}
	}
	return err
}
