package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(launchVar); spec != "" {
		become(spec)
	}
	remove, err := ownTempDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := netnstest.Run(m)
	remove()
	figures.print(code)
	os.Exit(code)
}

// ownTempDir gives this process a folder of its own for temporary files, and
// returns what removes it. So does an interrupt; and what a killed run left,
// the next one removes.
func ownTempDir() (remove func(), err error) {
	const prefix = "shunt-conformance-"
	old, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range old {
		if _, err := os.Stat("/proc/" + strings.TrimPrefix(filepath.Base(dir), prefix)); os.IsNotExist(err) {
			_ = os.RemoveAll(dir)
		}
	}
	dir := filepath.Join(os.TempDir(), prefix+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, unix.SIGTERM)
	go func() {
		<-interrupted
		remove()
		os.Exit(130)
	}()
	return remove, nil
}

// form is how much the tests do.
type form int

const (
	short form = iota // in every run of all tests
	full              // the same with its list of scenarios and its figures
	long              // enough to see what is rare; minutes
)

// formOf returns the form that was asked for.
func formOf() form {
	switch os.Getenv("SHUNT_CONFORMANCE") {
	case "full":
		return full
	case "long":
		return long
	}
	return short
}

// pick returns the value for the form that runs.
func pick[T any](inShort, inLong T) T {
	if formOf() == long {
		return inLong
	}
	return inShort
}

// program returns the path of the program under test, built once. The file
// has no name any more: nothing of it is left when this process ends.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "shunt")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.lockFolder="+dir+"/no-locks", "-o", path, "shunt/cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	programFile = f
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
})

// programFile keeps the program's file from being collected, and so deleted.
var programFile *os.File

// programPath returns the path of the program under test.
func programPath(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProgramIsCurrent looks at the program's source, which the go command
// would not know to be part of these tests: it must not take their result from
// its cache after a change there.
func TestProgramIsCurrent(t *testing.T) {
	files, err := filepath.Glob("../cmd/shunt/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the program's source: %v, %v", files, err)
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			t.Fatal(err)
		}
	}
}

// ledger collects what the tests did, for the end of the run.
type ledger struct {
	mu     sync.Mutex
	order  []string
	counts map[string]int
	lines  []string
}

// figures is the run's ledger: tests of every file add to it.
var figures ledger

// add counts something.
func (l *ledger) add(what string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[string]int{}
	}
	if _, known := l.counts[what]; !known {
		l.order = append(l.order, what)
	}
	l.counts[what] += n
}

// line keeps one line for the list that is printed at the end.
func (l *ledger) line(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// print ends a full or long run with the list and a line of counts.
func (l *ledger) print(code int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if formOf() == short || len(l.counts) == 0 {
		return
	}
	var b bytes.Buffer
	for _, line := range l.lines {
		fmt.Fprintln(&b, line)
	}
	var counts []string
	for _, what := range l.order {
		counts = append(counts, fmt.Sprintf("%d %s", l.counts[what], what))
	}
	fmt.Fprintf(&b, "%s on %s/%s: %s\n",
		map[bool]string{true: "conforms", false: "DOES NOT CONFORM"}[code == 0],
		runtime.GOOS, runtime.GOARCH, strings.Join(counts, ", "))
	_, _ = os.Stdout.Write(b.Bytes())
}
