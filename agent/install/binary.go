package install

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// binary is the plugin's program: from where, to where.
type binary struct {
	source, dest string
	known        map[string]hashed // by path
}

// hashed is a file's hash, as long as the file is the same.
type hashed struct {
	id  fileID
	sum string
}

// fileID changes whenever a file's content does, a tick of the clock after the
// last change: the kernel sets the change time, and nobody else can.
type fileID struct {
	ino          uint64
	size         int64
	mtime, ctime syscall.Timespec
}

// settled is more than a tick of any kernel's clock for files.
const settled = 2 * time.Second

// hash returns the SHA-256 of a file, in hexadecimal.
func (b *binary) hash(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	var id fileID
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = fileID{st.Ino, st.Size, st.Mtim, st.Ctim}
	}
	if h, ok := b.known[path]; ok && h.id == id {
		return h.sum, nil
	}
	sum, err := sumOf(path)
	if err != nil {
		return "", err
	}
	if time.Since(time.Unix(id.ctime.Unix())) < settled {
		return sum, nil // it could change again in the same tick
	}
	if b.known == nil {
		b.known = map[string]hashed{}
	}
	b.known[path] = hashed{id, sum}
	return sum, nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// state compares the destination with the source.
func (b *binary) state() (want string, present, same bool, err error) {
	if want, err = b.hash(b.source); err != nil {
		return "", false, false, fmt.Errorf("read the plugin's binary: %w", err)
	}
	have, err := b.hash(b.dest)
	return want, err == nil, have == want, nil
}

// copy writes the binary, unless it is there already.
func (b *binary) copy(d disk) error {
	if err := os.MkdirAll(filepath.Dir(b.dest), 0o755); err != nil {
		return err
	}
	data, _, err := readFile(b.source)
	if err != nil {
		return fmt.Errorf("read the plugin's binary: %w", err)
	}
	if err := d.write(b.dest, data, meta{Mode: 0o755, UID: os.Getuid(), GID: os.Getgid()}, nil); err != nil {
		return err
	}
	now, err := sumOf(b.dest)
	if err != nil {
		return fmt.Errorf("read %s again: %w", b.dest, err)
	}
	if want := sha256.Sum256(data); now != hex.EncodeToString(want[:]) {
		return fmt.Errorf("read %s again: %w", b.dest, errMeanwhile)
	}
	return nil
}
