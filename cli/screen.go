package cli

import (
	"io"

	"shunt/explain"
)

// Screen says what text to w is written for. On a terminal it has that width, and
// colours unless NO_COLOR (https://no-color.org) or TERM say no.
func Screen(w io.Writer, lookupEnv func(string) (string, bool)) explain.Screen {
	width := Width(w)
	none, _ := lookupEnv("NO_COLOR")
	term, _ := lookupEnv("TERM")
	return explain.Screen{Width: width, Colour: width > 0 && none == "" && term != "" && term != "dumb"}
}
