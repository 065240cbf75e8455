package netns

import (
	"slices"
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
