package iptables

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// complaintLimit is how much of a child's complaints is kept.
const complaintLimit = 16 << 10

// complaints keeps the first bytes that a child writes, and drops the rest.
type complaints struct{ text []byte }

// Write implements io.Writer.
func (c *complaints) Write(p []byte) (int, error) {
	c.text = append(c.text, p[:min(len(p), complaintLimit-len(c.text))]...)
	return len(p), nil
}

// child is one run of a command.
type child struct {
	family plan.Family
	verb   string // restore or save
	args   []string
	env    []string
	input  string
	output io.Writer // nil: its standard output counts as a complaint
}

// waitDelay is how long a process that outlives the command may hold its output.
const waitDelay = 500 * time.Millisecond

// run runs a command to its end. Its error says what was run and what came
// back. The command gets a process group of its own, which is killed when its
// time is over, and it dies with the calling thread. That signal does not reach
// what the command itself starts, and the kernel drops it where the command's
// file has capabilities (PR_SET_PDEATHSIG in prctl(2)): see Options.Inherit.
func (b *Backend) run(ctx context.Context, c child) error {
	name := commandName(b.opt.Mode, c.family, c.verb)
	path, err := b.find(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.opt.Timeout, fmt.Errorf("timed out after %v and was killed", b.opt.Timeout))
	defer cancel()

	cmd := exec.CommandContext(ctx, path, c.args...)
	cmd.Args[0] = name
	cmd.Env = append(b.environment(), c.env...)
	var said complaints
	cmd.Stdout, cmd.Stderr = &said, &said // one pipe
	if c.output != nil {
		cmd.Stdout = c.output
	}
	if c.input != "" {
		cmd.Stdin = strings.NewReader(c.input)
	}
	cmd.WaitDelay = waitDelay
	cmd.ExtraFiles = b.opt.Inherit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		if err := unix.Kill(-cmd.Process.Pid, unix.SIGKILL); err != unix.ESRCH {
			return err
		}
		return os.ErrProcessDone
	}
	if b.opt.Children != nil {
		b.opt.Children(cmd)
	}
	err = cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	command, complaint := strings.Join(cmd.Args, " "), string(said.text)
	if err != nil {
		return explain(failure{command: command, path: path, cause: err, complaint: complaint, input: c.input})
	}
	b.opt.Log.Debug("ran", "command", command, "said", strings.TrimSpace(complaint))
	if strings.Contains(complaint, incompatible) {
		return fmt.Errorf("%s: %w", command, ErrIncompatible)
	}
	return nil
}

// ask runs a command and returns what it answers, one line.
func (b *Backend) ask(ctx context.Context, c child) (string, error) {
	var said complaints
	c.output = &said
	err := b.run(ctx, c)
	return string(said.text), err
}
