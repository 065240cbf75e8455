package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// meta is what a new version of a file keeps of the old one.
type meta struct {
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
}

// errMeanwhile says that somebody else wrote a file between our reading it and
// our writing it.
var errMeanwhile = errors.New("another program changed it in the meantime")

// disk changes files one whole step at a time, so that a reader, and whoever
// comes after a kill or a power failure, sees the old file or the new one.
type disk struct {
	step func(string) // called between any two changes, by tests that kill there
}

func (d disk) at(step string) {
	if d.step != nil {
		d.step(step)
	}
}

// write puts data in the place of a file: a temporary file beside it, fsync,
// rename, fsync of the folder. was, if not nil, is what the file has to hold
// still at the moment of the rename, else errMeanwhile.
func (d disk) write(path string, data []byte, m meta, was []byte) error {
	d.at("before " + path)
	t, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(m.Mode))
	if err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	defer t.Cleanup() // nothing to do after the rename
	d.at("temporary of " + path)
	if _, err := t.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if err := keepOwner(t.File, m); err != nil {
		return fmt.Errorf("write %s: keep its owner %d:%d: %w", path, m.UID, m.GID, cause(err))
	}
	d.at("data of " + path)
	if err := t.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	if was != nil {
		if now, _, err := readFile(path); err != nil || !bytes.Equal(now, was) {
			return fmt.Errorf("write %s: %w", path, errMeanwhile)
		}
	}
	if err := t.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	d.at("after " + path)
	return syncDir(filepath.Dir(path))
}

// cause is the error without the name of the temporary file, which is another
// one each time.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// keepOwner gives a new file its owner, if it is not that already.
func keepOwner(f *os.File, m meta) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if now := metaOf(info); now.UID == m.UID && now.GID == m.GID {
		return nil
	}
	return f.Chown(m.UID, m.GID)
}

// mkdir makes a folder for drop-ins.
func (d disk) mkdir(path string) error {
	d.at("before making " + path)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// remove removes a file or an empty folder. One that is not there is no error.
func (d disk) remove(path string) error {
	d.at("before removing " + path)
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err // names the path
	}
	d.at("removed " + path)
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems cannot
		return err
	}
	return nil
}

// sweep removes temporary files of a file that a killed write left: renameio
// names them .<file><digits>. Young ones may be another agent's.
func (d disk) sweep(path string) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // there is no folder, so there are none
	}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "."+base)
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > time.Minute {
			_ = d.remove(filepath.Join(dir, e.Name())) // the next start tries again
		}
	}
}

// readFile reads a regular file with what a new version of it has to keep.
func readFile(path string) ([]byte, meta, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, meta{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, meta{}, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, meta{}, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, meta{}, err
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // a plugin's binary in one piece
	_, err = data.ReadFrom(f)
	return data.Bytes(), metaOf(info), err
}

func metaOf(info fs.FileInfo) meta {
	m := meta{Mode: info.Mode().Perm()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		m.UID, m.GID = int(st.Uid), int(st.Gid)
	}
	return m
}
