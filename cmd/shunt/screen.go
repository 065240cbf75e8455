package main

import (
	"os"

	"golang.org/x/sys/unix"

	"shunt/explain"
)

// screen says what the verb's text is written for. On a terminal it has that
// width, and colours unless NO_COLOR (https://no-color.org) or TERM say no.
func (s *system) screen() explain.Screen {
	f, ok := s.stdout.(*os.File)
	if !ok {
		return explain.Screen{}
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return explain.Screen{} // a file or a pipe
	}
	none, _ := s.lookupEnv("NO_COLOR")
	term, _ := s.lookupEnv("TERM")
	return explain.Screen{Width: int(size.Col), Colour: none == "" && term != "" && term != "dumb"}
}
