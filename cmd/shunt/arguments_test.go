package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"shunt/config"
)

// plan -f and explain -f read the arguments of an injected pod's init container:
// whatever init takes must be known there.
func TestEveryFlagOfInitIsKnownAsAnInitContainersArgument(t *testing.T) {
	t.Parallel()
	for role, names := range map[role]config.Names{commandLine: config.ShuntNames, proxyInit: config.LinkerdNames} {
		cmd := newInit(&system{role: role})
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			_, _, err := config.ParseArguments(names, []string{"--" + f.Name + "=true"}, "linkerd-init")
			if err != nil && strings.Contains(err.Error(), "unknown flag") {
				t.Errorf("--%s: %v", f.Name, err)
			}
			if f.Shorthand == "" {
				return
			}
			if _, _, err = config.ParseArguments(names, []string{"-" + f.Shorthand + "=true"}, "linkerd-init"); err != nil && strings.Contains(err.Error(), "unknown flag") {
				t.Errorf("-%s: %v", f.Shorthand, err)
			}
		})
	}
}
