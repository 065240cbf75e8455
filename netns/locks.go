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

// OpenLocks opens a folder of locks. With create it is made if it is absent, and
// given the mode 0700 if it is root's and has another: the kubelet makes the
// folder of a hostPath volume 0755. A folder that is not root's, or has another
// mode than 0700 then, is an error, because others could hold the locks in it. An
// absent one wraps fs.ErrNotExist.
func OpenLocks(path string, create bool) (*Locks, error) {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of locks: %w", err)
		}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the folder of locks: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	l := &Locks{dir: os.NewFile(uintptr(fd), path)}
	if err := l.secure(create); err != nil {
		l.Close()
		return nil, fmt.Errorf("the folder of locks %s %w", path, err)
	}
	return l, nil
}

// secure makes sure that only root can open what is in the folder.
func (l *Locks) secure(change bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(l.dir.Fd()), &st); err != nil {
		return fmt.Errorf("cannot be looked at: %w", err)
	}
	mode := st.Mode & 0o7777
	switch {
	case st.Uid != 0:
		return fmt.Errorf("belongs to user %d: want it to be root's", st.Uid)
	case mode == 0o700:
		return nil
	case !change:
		return fmt.Errorf("has mode %04o: want 0700", mode)
	}
	if err := l.dir.Chmod(0o700); err != nil {
		return fmt.Errorf("has mode %04o, which cannot be changed to 0700: %w", mode, err)
	}
	return nil
}

// file opens the lock file of a namespace by its inode, and makes it if there is
// none yet. One that others could have opened while the folder had another mode
// is refused.
func (l *Locks) file(ino uint64) (*os.File, error) {
	name := fmt.Sprintf("%02x", ino%lockFiles)
	path := l.dir.Name() + "/" + name
	fd, err := unix.Openat(int(l.dir.Fd()), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
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
