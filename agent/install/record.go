package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// recordFile is the name of the record in NETDIR. Runtimes read no file of
// this ending.
const recordFile = ".shunt-installed"

// record says what was put on the node, so that exactly that can be taken out,
// by another process and after a reboot. It is written before what it names.
type record struct {
	Version int             `json:"version"`
	Mode    Mode            `json:"mode"`
	Started int64           `json:"started"` // of the agent that wrote it, in nanoseconds since 1970
	Entry   json.RawMessage `json:"entry"`
	Binary  string          `json:"binary"` // its name in BINDIR
	SHA256  string          `json:"sha256"` // of the binary
	Lists   []listRecord    `json:"lists,omitempty"`
	Dropins []string        `json:"dropins,omitempty"` // in NETDIR, as network/file

	// IgnoresDropins is the runtime that was seen not to load a drop-in.
	IgnoresDropins Runtime `json:"ignoresDropins,omitempty"`
}

// listRecord is a conflist that got the entry.
type listRecord struct {
	File     string    `json:"file"`
	Original *original `json:"original,omitempty"` // it was made of this single configuration
}

// original is a single plugin's configuration that became a list.
type original struct {
	File string `json:"file"`
	Data []byte `json:"data"`
	meta
}

// readRecord returns nil if nothing is recorded.
func readRecord(netDir string) (*record, error) {
	path := filepath.Join(netDir, recordFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record: %w", err)
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read the record %s: %w", path, err)
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("read the record %s: version %d is not supported: use the shunt-agent that wrote it", path, r.Version)
	}
	return r, nil
}

func (d disk) writeRecord(netDir string, r *record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	return d.write(filepath.Join(netDir, recordFile), append(data, '\n'), meta{Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()}, nil)
}

// list returns what the record says about a conflist, nil for nothing.
func (r *record) list(file string) *listRecord {
	if r == nil {
		return nil
	}
	i := slices.IndexFunc(r.Lists, func(l listRecord) bool { return l.File == file })
	if i < 0 {
		return nil
	}
	return &r.Lists[i]
}

// withList returns the record with a conflist added or replaced.
func (r record) withList(l listRecord) record {
	r.Lists = slices.Clone(r.Lists)
	if old := r.list(l.File); old != nil {
		if l.Original == nil {
			l.Original = old.Original
		}
		*old = l
		return r
	}
	r.Lists = append(r.Lists, l)
	return r
}
