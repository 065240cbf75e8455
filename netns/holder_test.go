package netns

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const someLocks = `1: POSIX  ADVISORY  WRITE 100 00:04:7 0 EOF
2: FLOCK  ADVISORY  WRITE 200 00:04:7 0 EOF
2: -> FLOCK  ADVISORY  WRITE 201 00:04:7 0 EOF
3: FLOCK  ADVISORY  READ  300 fd:10:7 0 EOF
4: FLOCK  ADVISORY  READ  301 fd:10:7 0 EOF
5: FLOCK  ADVISORY  READ  301 fd:10:7 0 EOF
6: OFDLCK ADVISORY  READ  -1 fd:10:7 0 EOF
7: FLOCK  ADVISORY  READ  -1 00:04:8 0 EOF
8: FLOCK  ADVISORY  WRITE
`

func TestLockPIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		dev  uint64
		ino  uint64
		want []int
	}{
		{"one that holds it and one that waits", unix.Mkdev(0, 4), 7, []int{200}},
		{"two that share it, one twice", unix.Mkdev(0xfd, 0x10), 7, []int{300, 301}},
		{"one without an id", unix.Mkdev(0, 4), 8, nil},
		{"another device", unix.Mkdev(0, 5), 7, nil},
	} {
		if got := lockPIDs(someLocks, test.dev, test.ino); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Any number of processes can share the lock, and what they are called is up to
// them: the error has to fit where people read it.
func TestNoMoreThanAFewHoldersAreNamed(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for pid := range 300 {
		fmt.Fprintf(&text, "1: FLOCK  ADVISORY  READ  %d 00:04:7 0 EOF\n", 1<<30+pid)
	}
	got := holdersIn(text.String(), unix.Mkdev(0, 4), 7)
	if !strings.Contains(got, "process 1073741824") || !strings.HasSuffix(got, ", and 297 more") || len(got) > 500 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func FuzzLockPIDs(f *testing.F) {
	f.Add(someLocks)
	f.Fuzz(func(t *testing.T, text string) {
		for _, pid := range lockPIDs(text, unix.Mkdev(0, 4), 7) {
			if pid <= 0 {
				t.Errorf("process %d", pid)
			}
		}
	})
}
