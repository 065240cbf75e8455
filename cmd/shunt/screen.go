package main

import (
	"shunt/cli"
	"shunt/explain"
)

// screen says what the verb's text is written for. On a terminal it has that
// width, and colours unless NO_COLOR (https://no-color.org) or TERM say no.
func (s *system) screen() explain.Screen {
	width := cli.Width(s.stdout)
	none, _ := s.lookupEnv("NO_COLOR")
	term, _ := s.lookupEnv("TERM")
	return explain.Screen{Width: width, Colour: width > 0 && none == "" && term != "" && term != "dumb"}
}
