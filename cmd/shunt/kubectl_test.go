package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/testscript"

	"shunt/netns/netnstest"
)

// fakeCluster copies the kubectl of a cluster in files, and returns the variables
// that it is called with. The network namespace is its pod's.
func fakeCluster(t testing.TB, dir, netns string) []string {
	t.Helper()
	if err := os.CopyFS(dir, os.DirFS("testdata/kubectl/cluster")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "kubectl"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"CLUSTER=" + dir, "NETNS=" + netns, "PATH=" + dir + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
}

// TestKubectl runs `kubectl shunt` with a kubectl that answers from files and notes
// what it was asked.
func TestKubectl(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/kubectl",
		UpdateScripts: *update,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			dir := filepath.Join(env.WorkDir, "cluster")
			for _, v := range fakeCluster(t, dir, netnstest.New(t).Path) {
				name, value, _ := strings.Cut(v, "=")
				if name == "PATH" {
					value = dir + ":" + env.Getenv("PATH") + ":/usr/sbin:/sbin"
				}
				env.Setenv(name, value)
			}
			env.Setenv("CALLS", filepath.Join(env.WorkDir, "calls"))
			return nil
		},
	})
}

// The transcripts of the document are what kubectl shunt prints.
func TestDocsKubectl(t *testing.T) {
	t.Parallel()
	const path = "../../docs/kubectl.md"
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ns := netnstest.New(t)
	if code, _, errs := invoke("", "init", "--netns", ns.Path, "--skip-outbound-ports", "3306"); code != exitDone {
		t.Fatalf("init: status %d: %s", code, errs)
	}
	env := append(os.Environ(), fakeCluster(t, t.TempDir(), ns.Path)...)
	want := transcribe(string(have), func(command string) string {
		args := strings.Fields(command)
		cmd := exec.Command("kubectl-shunt", args[2:]...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			out = append(out, (err.Error() + "\n")...)
		}
		return strings.ReplaceAll(string(out), " --netns "+ns.Path, "")
	})
	if want == string(have) {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("stale: go test ./cmd/shunt -run TestDocs -update\n%s", diff.Diff(path, have, "now", []byte(want)))
}
