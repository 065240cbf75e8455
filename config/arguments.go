package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// ParseArguments returns the configuration that the arguments of an init
// container ask for, proxy-init's under Linkerd's names or those of `shunt init`
// under shunt's. annotations reports whether the pod's own are to be merged, too
// (--annotations-file). origin is what Sources name before each flag.
//
// Files and the environment of the container are not there to be read: --config
// is an InputError, as is everything that the program would refuse.
func ParseArguments(names Names, args []string, origin string) (c Config, annotations bool, err error) {
	fs := pflag.NewFlagSet(origin, pflag.ContinueOnError)
	f := BindFlags(fs, names)
	f.origin = origin
	for _, name := range []string{"netns", "pid", "log-format", "log-level"} {
		fs.String(name, "", "")
	}
	fs.BoolP("use-wait-flag", "w", false, "")
	for _, name := range []string{"simulate", "dry-run", "host-network"} {
		fs.Bool(name, false, "")
	}
	file := fs.String("annotations-file", "", "")
	if err := fs.Parse(args); err != nil {
		err = FlagError(fs, err)
		return c, false, inputf("%s: %s", origin, strings.TrimSuffix(err.Error(), ": see --help"))
	}
	if fs.Changed(flagConfig) {
		return c, false, inputf("%s --config: the file is in the container, and cannot be read here", origin)
	}
	c, err = f.Load(func(string) (string, bool) { return "", false }, nil)
	return c, *file != "", err
}
