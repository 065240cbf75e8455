package main

import (
	"github.com/spf13/cobra"

	"shunt/cli"
)

// version is set by the linker (-X main.version=…); empty means that the
// build information says it.
var version string

func versionString() string { return cli.Version(version) }

func newVersion(s *system) *cobra.Command { return cli.NewVersion("shunt", versionString(), s.stdout) }
