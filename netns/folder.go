package netns

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenFolder opens a folder of which only root can open anything. With create it
// is made if it is absent, and given the mode 0700 if it is root's and has
// another: the kubelet makes the folder of a hostPath volume 0755. A folder that
// is not root's, or has another mode than 0700 then, is an error. An absent one
// wraps fs.ErrNotExist.
func OpenFolder(path string, create bool) (*os.File, error) {
	if create {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err // says what of which path
		}
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	dir := os.NewFile(uintptr(fd), path)
	if err := secure(dir, create); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return dir, nil
}

// secure makes sure that only root can open what is in the folder.
func secure(dir *os.File, change bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
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
	if err := dir.Chmod(0o700); err != nil {
		return fmt.Errorf("has mode %04o, which cannot be changed to 0700: %w", mode, err)
	}
	return nil
}
