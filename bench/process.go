package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command is one process: what is started, and what it gets.
type command struct {
	args  []string
	stdin string   // a file, "" for nothing
	env   []string // nil for this process's

	// plugin: it runs outside, and gets the namespace as CNI_NETNS.
	plugin bool
}

// cost is what processes took, with the children they waited for.
type cost struct {
	cpu, wall time.Duration
}

func (c cost) plus(o cost) cost { return cost{c.cpu + o.cpu, c.wall + o.wall} }

// start starts the process in the namespace, or here if there is none.
func (c command) start(ns *namespace, cmd *exec.Cmd) error {
	path, err := exec.LookPath(c.args[0])
	if err != nil {
		return err
	}
	cmd.Path, cmd.Args, cmd.Env = path, c.args, c.env
	if c.stdin != "" {
		in, err := os.Open(c.stdin)
		if err != nil {
			return err
		}
		defer in.Close() // the child has it by then
		cmd.Stdin = in
	}
	if c.plugin {
		cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "CNI_NETNS="+ns.path())
		return cmd.Start()
	}
	if ns == nil {
		return cmd.Start()
	}
	return ns.do(cmd.Start)
}

// run runs one process to its end and returns what it took and printed.
func (c command) run(ns *namespace) (cost, string, error) {
	var out, errs bytes.Buffer
	cmd := &exec.Cmd{Stdout: &out, Stderr: &errs}
	start := time.Now()
	err := c.start(ns, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	wall := time.Since(start)
	if err != nil {
		return cost{}, out.String(), c.fault(err, errs.String()+out.String())
	}
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return cost{time.Duration(u.Utime.Nano() + u.Stime.Nano()), wall}, out.String(), nil
}

func (c command) fault(err error, said string) error {
	return fmt.Errorf("%s: %w: %s", strings.Join(c.args, " "), err, strings.TrimSpace(said))
}

// runAll runs one after the other.
func runAll(ns *namespace, commands []command) (sum cost, err error) {
	for _, c := range commands {
		one, _, err := c.run(ns)
		if err != nil {
			return sum, err
		}
		sum = sum.plus(one)
	}
	return sum, nil
}
