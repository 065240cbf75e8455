package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"shunt/pods"
)

// snapshotFile is where an agent finds what the one before it knew, while the
// API server does not answer. maxSnapshot bounds what is read of it.
const (
	snapshotFile = "pods.json"
	maxSnapshot  = 64 << 20
)

// snapshot is the content of that file.
type snapshot struct {
	V    int           `json:"v"`
	Pods []snapshotPod `json:"pods"`
}

type snapshotPod struct {
	Namespace string     `json:"ns"`
	Name      string     `json:"name"`
	Static    string     `json:"static,omitempty"`
	IPs       []string   `json:"ips,omitempty"`
	Started   bool       `json:"started,omitempty"`
	Facts     pods.Facts `json:"facts"`
}

// encodeSnapshot encodes pods in an order of its own.
func encodeSnapshot(list []pod) ([]byte, error) {
	slices.SortFunc(list, func(a, b pod) int { return cmp.Compare(a.String(), b.String()) })
	s := snapshot{V: 1, Pods: make([]snapshotPod, 0, len(list))}
	for _, p := range list {
		s.Pods = append(s.Pods, snapshotPod{p.Namespace, p.Name, p.static, p.IPs, p.Started, p.Facts})
	}
	return json.Marshal(s)
}

// readSnapshot returns the pods of a snapshot by namespace/name, and when it was
// written.
func readSnapshot(path string) (map[string]pod, time.Time, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe would hold the agent up
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSnapshot+1))
	if err != nil {
		return nil, time.Time{}, err
	}
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, time.Time{}, fmt.Errorf("read %s: %w", path, err)
	}
	if s.V != 1 {
		return nil, time.Time{}, fmt.Errorf("read %s: version %d: want 1", path, s.V)
	}
	byName := make(map[string]pod, len(s.Pods))
	for _, p := range s.Pods {
		id := pods.ID{Namespace: p.Namespace, Name: p.Name, UID: p.Facts.UID}
		byName[id.String()] = pod{ID: id, Facts: p.Facts, IPs: p.IPs, Started: p.Started, static: p.Static}
	}
	return byName, info.ModTime(), nil
}

// snapshots keeps the file up to date.
type snapshots struct {
	path string
	last []byte
}

// write writes pods, unless that is what the file holds.
func (s *snapshots) write(list []pod) error {
	data, err := encodeSnapshot(list)
	if err != nil {
		return err
	}
	if bytes.Equal(data, s.last) {
		if _, err := os.Lstat(s.path); err == nil {
			return nil
		}
	}
	s.sweep()
	if err := renameio.WriteFile(s.path, data, 0o600, renameio.WithTempDir(filepath.Dir(s.path)), renameio.WithStaticPermissions(0o600)); err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.last = data
	return nil
}

// sweep removes what a killed write left: renameio puts a dot before the name,
// and digits behind it.
func (s *snapshots) sweep() {
	dir, file := filepath.Split(s.path)
	left, _ := filepath.Glob(filepath.Join(dir, "."+file+"[0-9]*")) // a bad pattern: there are none
	for _, path := range left {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(path) // the next write tries again
		}
	}
}
