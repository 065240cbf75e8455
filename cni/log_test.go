package cni

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// logged runs an ADD with a log file and returns its standard error.
func logged(t *testing.T, path string, members ...string) string {
	t.Helper()
	quoted, err := json.Marshal(path)
	if err != nil {
		t.Fatal(err)
	}
	o := invoke(t, (&fakeRules{}).plugin(), podEnv("ADD", netnstest.New(t).Path), conf(append(members, injected(), `"log_file":`+string(quoted))...))
	o.ok(t)
	return o.stderr
}

func TestTheLogFileIsAppendedTo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shunt.log")
	first, second := logged(t, path), logged(t, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != first+second || !strings.Contains(first, "msg=add") {
		t.Errorf("the file has\n%s\nwhile standard error had\n%s%s", text, first, second)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// The folder may belong to somebody who wants root to write elsewhere.
func TestALogFileThatIsNotRootsOwnIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	for _, path := range []string{victim, filepath.Join(dir, "foreign")} {
		if err := os.WriteFile(path, []byte("untouched"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	make := func(name string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	paths := map[string]string{
		make("link", os.Symlink(victim, filepath.Join(dir, "link"))):                            "symbolic link",
		make("dangling", os.Symlink(filepath.Join(dir, "new"), filepath.Join(dir, "dangling"))): "symbolic link",
		make("pipe", unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600)):                            "pipe",
		make("folder", os.Mkdir(filepath.Join(dir, "folder"), 0o700)):                           "directory",
		"relative.log":                         "absolute path",
		filepath.Join(dir, "no-such-dir", "x"): "no such file",
	}
	if err := os.Chown(filepath.Join(dir, "foreign"), 65534, 65534); err == nil {
		paths[filepath.Join(dir, "foreign")] = "belongs to user 65534"
	}
	for path, why := range paths {
		if log := logged(t, path); !strings.Contains(log, "log_file is not used") || !strings.Contains(log, why) || !strings.Contains(log, "msg=add") {
			t.Errorf("%s: the log does not say %q and go on:\n%s", path, why, log)
		}
	}
	for _, name := range []string{"victim", "foreign"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != "untouched" {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	for _, name := range []string{"new", "../relative.log"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

func TestTheLevelOfTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shunt.log")
	if log := logged(t, path, `"log_level":"error"`); log != "" {
		t.Errorf("at level error:\n%s", log)
	}
	log := logged(t, path, `"log_level":"debug"`, chart[strings.Index(chart, `"linkerd"`):])
	for _, text := range []string{"level=DEBUG", `name=skip-inbound-ports value=4190-4191 source="network configuration linkerd.inbound-ports-to-ignore"`} {
		if !strings.Contains(log, text) {
			t.Errorf("the log does not say %q:\n%s", text, log)
		}
	}
}

// Runtimes drop standard error when there is an error on standard output.
func TestAFailureIsInTheLogFileToo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shunt.log")
	o := invoke(t, (&fakeRules{err: errKernel}).plugin(), podEnv("ADD", netnstest.New(t).Path), conf(chart, injected(), `"log_file":"`+path+`"`))
	o.fails(t, 999)
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "msg=\"add failed\"") != 1 || !strings.Contains(string(text), "the kernel said no") || !strings.Contains(string(text), "pod=emojivoto/web-5f") {
		t.Errorf("the file has\n%s\n%v", text, err)
	}
}
