package iptables

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

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
	err = marked{fmt.Errorf("find %s: %w", name, err), plan.ErrNotSupported, ""}
	return "", marked{err, errMissing, "install the iptables package (--backend nftables needs no commands)"}
}

// run runs one command to its end and returns its standard output. Its error
// says what was run and what came back. Input is what it gets on standard
// input, and what a line number in its complaints is about.
func (b *Backend) run(ctx context.Context, fam plan.Family, verb string, input []byte, env []string, args ...string) (string, error) {
	name := b.command(fam, verb)
	path, err := b.find(name)
	if err != nil {
		return "", err
	}
	limit := time.Duration(b.opt.WaitSeconds)*time.Second + grace
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("killed, it did not end within %v", limit))
	defer cancel()

	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Args[0] = name
	cmd.Env = append(environment(), env...)
	stdout, stderr := bounded{limit: stdoutLimit, strict: true}, bounded{limit: stderrLimit}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if input != nil {
		// What a restore says, if anything, is a complaint: one pipe for both.
		cmd.Stdin, cmd.Stdout = bytes.NewReader(input), &stderr
	}
	cmd.WaitDelay = time.Second // a child of the child may hold them
	if b.opt.Children != nil {
		b.opt.Children(cmd)
	}
	err = cmd.Run()
	switch cause := context.Cause(ctx); {
	case err == nil:
	case stdout.over:
		err = errTooMuch
	case cause != nil:
		err = cause
	}
	command, complaint := strings.Join(cmd.Args, " "), stderr.buf.String()
	if err != nil {
		f := failure{command: command, path: path, cause: err, stderr: complaint, input: input}
		return "", b.explain(f)
	}
	b.opt.Log.Debug("ran", "command", command, "stderr", strings.TrimSpace(complaint))
	if strings.Contains(complaint, "is incompatible") {
		return "", fmt.Errorf("%s: %w", command, errIncompatible)
	}
	return stdout.buf.String(), nil
}

// environment is what every child gets: little, and messages in English.
func environment() []string {
	path := os.Getenv("PATH")
	if path != "" {
		path += ":"
	}
	return []string{"PATH=" + path + commandDirs, "LC_ALL=C"}
}
