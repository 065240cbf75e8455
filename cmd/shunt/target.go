package main

import (
	"errors"
	"strconv"

	"github.com/spf13/pflag"

	"shunt/cli"
	"shunt/config"
	"shunt/netns"
	"shunt/redirect"
)

// target says in which network namespace a verb works.
type target struct {
	path string
	pid  string
	host bool // the host's is meant

	flags *pflag.FlagSet
}

func (t *target) bind(fs *pflag.FlagSet) {
	t.flags = fs
	fs.StringVar(&t.path, "netns", "", "work in the network namespace of this `file`, not the current one (needs CAP_SYS_ADMIN)")
	fs.StringVar(&t.pid, "pid", "", "work in the network namespace of the process with this `id` (needs CAP_SYS_ADMIN)")
}

// bindHost defines the flag without which a verb that writes refuses the host's
// namespace.
func (t *target) bindHost(fs *pflag.FlagSet) {
	fs.BoolVar(&t.host, "host-network", false, "work in the host's own network namespace, too: on the whole machine's traffic")
}

// given reports whether a flag says which namespace. One that is given without a
// value, because a variable is not set, is no leave to work in the current one.
func (t *target) given(name string) bool { return t.flags.Changed(name) }

// open returns the target namespace. Nothing was changed if it fails.
func (t *target) open() (*netns.NS, error) {
	ns, err := t.find()
	if err != nil {
		return nil, redirect.Untouched{Err: err}
	}
	return ns, nil
}

func (t *target) find() (*netns.NS, error) {
	byPath, byPID := t.given("netns"), t.given("pid")
	switch {
	case byPath && byPID:
		return nil, &config.InputError{Err: errors.New("--netns and --pid were both given: give one")}
	case byPath && t.path == "":
		return nil, cli.BadFlag("netns", "its value is empty: is a variable not set? leave the flag out to work in the current namespace")
	case byPath:
		return netns.Open(t.path)
	case byPID:
		pid, err := strconv.ParseInt(t.pid, 10, 32)
		if err != nil || pid <= 0 {
			return nil, cli.BadFlag("pid", "%s is not the id of a process: is a variable not set? leave the flag out to work in the current namespace", config.Quote(t.pid))
		}
		return netns.OpenPID(int(pid))
	}
	return netns.Current()
}
