package main

import (
	"shunt/cli"
	"shunt/explain"
)

// screen says what the verb's text is written for.
func (s *system) screen() explain.Screen { return cli.Screen(s.stdout, s.lookupEnv) }
