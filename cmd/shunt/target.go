package main

import (
	"errors"

	"github.com/spf13/pflag"

	"shunt/config"
	"shunt/netns"
	"shunt/redirect"
)

// target says in which network namespace a verb works.
type target struct {
	path string
	pid  int
}

func (t *target) bind(fs *pflag.FlagSet) {
	fs.StringVar(&t.path, "netns", "", "work in the network namespace of this file, not the current one (needs CAP_SYS_ADMIN)")
	fs.IntVar(&t.pid, "pid", 0, "work in the network namespace of this process (needs CAP_SYS_ADMIN)")
}

// open returns the target namespace. Nothing was changed if it fails.
func (t *target) open() (*netns.NS, error) {
	ns, err := t.find()
	if err != nil {
		return nil, redirect.Untouched{Err: err}
	}
	return ns, nil
}

func (t *target) find() (*netns.NS, error) {
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
