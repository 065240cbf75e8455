package netns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockFiles is how many files a folder of locks has, at most. Namespaces that
// share one wait for each other for no reason, which costs milliseconds; a file
// for each namespace would have to be removed some day.
const lockFiles = 256

// Locks is an open folder of lock files that nobody but root can open.
type Locks struct{ dir *os.File }

// OpenLocks opens a folder of locks, as OpenFolder does: others could hold the
// locks in one that is not root's alone.
func OpenLocks(path string, create bool) (*Locks, error) {
	dir, err := OpenFolder(path, create)
	if err != nil {
		return nil, fmt.Errorf("the folder of locks: %w", err)
	}
	return &Locks{dir}, nil
}

// file opens the lock file of a namespace by its inode, and makes it if there is
// none yet. One that others could have opened while the folder had another mode
// is refused.
func (l *Locks) file(ino uint64) (*os.File, error) {
	name := fmt.Sprintf("%02x", ino%lockFiles)
	path := l.dir.Name() + "/" + name
	fd, err := unix.Openat(int(l.dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	file := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("look at %s: %w", path, err)
	}
	if st.Uid != 0 || st.Mode&(unix.S_IFMT|0o077) != unix.S_IFREG {
		_ = file.Close()
		return nil, fmt.Errorf("%s is not a file that only root can open: remove it", path)
	}
	return file, nil
}

// Close lets go of the folder. Locks that were taken in it stay.
func (l *Locks) Close() { _ = l.dir.Close() }
