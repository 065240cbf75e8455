package main

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shunt/image"
)

// What make image writes, file by file, is the same the second time, whatever
// the folder held before.
func TestTwiceTheSame(t *testing.T) {
	t.Parallel()
	programs := t.TempDir()
	args := []string{"build", "-buildvcs=false", "-trimpath", "-o", programs + "/"}
	for _, p := range image.Programs() {
		args = append(args, "shunt/cmd/"+p.Name)
	}
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	out := filepath.Join(t.TempDir(), "image")
	write := func() map[string][]byte {
		if err := run([]string{"-version", "v1.2.3", "-created", "1700000000", "-out", out, programs}); err != nil {
			t.Fatal(err)
		}
		return files(t, out)
	}
	first := write()
	if err := os.WriteFile(filepath.Join(out, "shunt-linux-riscv64.tar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	second := write()
	if !maps.EqualFunc(first, second, bytes.Equal) {
		t.Errorf("two runs differ: %q and %q", names(first), names(second))
	}
	for _, name := range []string{"shunt/index.json", "shunt-init/oci-layout", "shunt-linux-amd64.tar", "shunt-init-linux-amd64.tar", "linux-amd64.spdx.json"} {
		if first[name] == nil {
			t.Errorf("%s is not there: %q", name, names(first))
		}
	}
}

func TestNothingToPack(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "image")
	for _, args := range [][]string{{"-out", out}, {"-out", out, t.TempDir()}} {
		if err := run(args); err == nil || !strings.Contains(err.Error(), "program") {
			t.Errorf("mkimage %q: %v", args, err)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%s was made", out)
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all[path], err = os.ReadFile(filepath.Join(dir, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }
