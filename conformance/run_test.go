package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shunt/netns/netnstest"
)

// result is how a run of the program ended.
type result struct {
	code           int
	stdout, stderr string
}

// command is one run of the program in a namespace.
type command struct {
	name   string   // argv[0]; "": shunt
	args   []string // after it
	env    []string // added
	stdin  string
	launch *launch // what it gives up first; its Path "" is the program
}

// run runs the program in a namespace, to its end.
func (c command) run(t testing.TB, ns *netnstest.NS) result {
	t.Helper()
	var out, errs bytes.Buffer
	// One that hangs is no reason to hang with it.
	ctx, cancel := context.WithTimeoutCause(context.Background(), runLimit, fmt.Errorf("killed, it did not end within %v", runLimit))
	defer cancel()
	cmd := c.prepare(ctx, t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), &out, &errs
	err := ns.Do(cmd.Run)
	var exit *exec.ExitError
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", c, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// runLimit is how long one run may take: usually it is milliseconds.
const runLimit = 2 * time.Minute

// prepare returns the process that the command is. It ends with the thread
// that starts it.
func (c command) prepare(ctx context.Context, t testing.TB) *exec.Cmd {
	t.Helper()
	name := c.name
	if name == "" {
		name = "shunt"
	}
	cmd := exec.CommandContext(ctx, programPath(t))
	cmd.Args = append([]string{name}, c.args...)
	cmd.Env = append(environment(), c.env...)
	if c.launch != nil {
		l := *c.launch
		if l.Path == "" {
			l.Path = cmd.Path
		}
		l.Argv = cmd.Args
		spec, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		cmd = exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Env = append(append(environment(), c.env...), launchVar+"="+string(spec))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// environment is this process's, without the settings that the program would
// take from it and the folder that is the tests'.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "SHUNT_") || strings.HasPrefix(v, "TMPDIR=")
	})
}

func (c command) String() string {
	return strings.Join(append([]string{"shunt"}, c.args...), " ")
}

// report is what `shunt init` logs when it has done its work.
type report struct {
	Backend string
	Result  string
	Commits int
	Rules   int
	IPv6    bool
}

// report finds the report in a log in JSON.
func (r result) report(t testing.TB) report {
	t.Helper()
	for lines := bufio.NewScanner(strings.NewReader(r.stdout + r.stderr)); lines.Scan(); {
		var rep report
		if err := json.Unmarshal(lines.Bytes(), &rep); err == nil && rep.Result != "" {
			return rep
		}
	}
	t.Fatalf("no report in the log:\n%s%s", r.stdout, r.stderr)
	return report{}
}

// succeeded fails the test unless the run ended well.
func (r result) succeeded(t testing.TB, c command) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s: exit status %d\n%s%s", c, r.code, r.stdout, r.stderr)
	}
	return r
}

// failed fails the test unless the run ended with a status and an error that
// says each of the words.
func (r result) failed(t testing.TB, status int, words ...string) {
	t.Helper()
	if r.code != status {
		t.Errorf("exit status %d, want %d\n%s%s", r.code, status, r.stdout, r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("the error does not say %q:\n%s", w, r.stderr)
		}
	}
}
