package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/explain"
)

// terminal returns a terminal of that many columns.
func terminal(t *testing.T, columns uint16) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return tty
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	env := func(pairs ...string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1], true
				}
			}
			return "", false
		}
	}
	tty := terminal(t, 72)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, tc := range []struct {
		name string
		s    system
		want explain.Screen
	}{
		{"a terminal", system{stdout: tty, lookupEnv: env("TERM", "xterm")}, explain.Screen{Width: 72, Colour: true}},
		{"one whose user wants no colours", system{stdout: tty, lookupEnv: env("TERM", "xterm", "NO_COLOR", "1")}, explain.Screen{Width: 72}},
		{"NO_COLOR that is empty says nothing", system{stdout: tty, lookupEnv: env("TERM", "xterm", "NO_COLOR", "")}, explain.Screen{Width: 72, Colour: true}},
		{"one that has none", system{stdout: tty, lookupEnv: env("TERM", "dumb")}, explain.Screen{Width: 72}},
		{"a file", system{stdout: null, lookupEnv: env("TERM", "xterm")}, explain.Screen{}},
		{"a pipe", system{stdout: &bytes.Buffer{}, lookupEnv: env("TERM", "xterm")}, explain.Screen{}},
	} {
		if got := tc.s.screen(); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
