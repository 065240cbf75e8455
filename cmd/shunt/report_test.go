package main

import (
	"errors"
	"testing"

	"github.com/spf13/cobra"
)

// What is said on standard error is also a pod's termination message, which
// kubectl prints.
func TestAnErrorForgesNoLineAndMovesNoCursor(t *testing.T) {
	t.Parallel()
	err := errors.New("open file x\x1b[2J\n::error::owned\n")
	want := `init: open file x\x1b[2J; ::error::owned`
	if got := errorLine(&cobra.Command{Use: "init"}, err); got != want {
		t.Errorf("%q\n want %q", got, want)
	}
}
