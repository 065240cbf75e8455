package iptables

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// isolate puts the test's goroutine, for the rest of its life, on a thread of
// its own in a network namespace of its own. The thread ends with the
// goroutine, and the namespace with the thread.
func isolate(t testing.TB) {
	t.Helper()
	if !hasCommands() {
		skip(t, "needs iptables-legacy and iptables-nft, of the iptables package")
	}
	runtime.LockOSThread() // never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		skip(t, "needs root or a user namespace to make a network namespace in: "+err.Error())
	}
}

// skip skips a test that cannot run here, and fails it where all must run.
func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func hasCommands() bool {
	for _, name := range []string{"iptables-legacy-restore", "ip6tables-legacy-restore", "iptables-nft-restore", "ip6tables-nft-restore"} {
		if _, err := FindCommand(name); err != nil {
			return false
		}
	}
	return true
}

// overVariants runs a test in a namespace of its own for each variant.
func overVariants(t *testing.T, test func(*testing.T, string)) {
	for _, mode := range []string{ModeLegacy, ModeNFT} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			isolate(t)
			test(t, mode)
		})
	}
}

// sh runs a script in the test's namespace: $v is the variant's infix, $u the
// uid of mapped plans.
func sh(t testing.TB, mode, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", script)
	u := "2102"
	if !allMapped() {
		u = "0"
	}
	cmd.Env = append(os.Environ(), "v="+mode, "u="+u, "PATH="+os.Getenv("PATH")+":"+commandDirs,
		lockVariable+"="+filepath.Join(t.TempDir(), "lock")) // other tests hold the usual one
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	return string(out)
}

// saved returns the rules of one family, with counters, without what changes
// from run to run.
func saved(t testing.TB, mode, family string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(sh(t, mode, family+"tables-$v-save -t nat -c")) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func backend(t testing.TB, mode string) *Backend { return with(t, Options{Mode: mode}) }

// with returns a backend with options.
func with(t testing.TB, o Options) *Backend {
	t.Helper()
	if o.WaitSeconds == 0 {
		o.WaitSeconds = 5
	}
	b, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testStamp is what rules of these tests say of their origin.
var testStamp = apply.Stamp{Version: "v1", Plan: "0123456789ab"}

func read(t testing.TB, b *Backend) apply.Snapshot {
	t.Helper()
	s, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// try reads and applies, as a caller does.
func try(t testing.TB, b *Backend, p plan.Plan) (commits int, err error) {
	t.Helper()
	return b.Apply(t.Context(), read(t, b), apply.Desired{Plan: mapped(p), Stamp: testStamp})
}

// settled applies a plan and checks that it is then what is read.
func settled(t testing.TB, b *Backend, p plan.Plan, commits int) {
	t.Helper()
	n, err := try(t, b, p)
	if err != nil {
		t.Fatal(err)
	}
	state := read(t, b).State()
	if want := b.Expand(mapped(p)); !state.Equal(want) {
		t.Errorf("live rules differ from the plan:\n%s\nwant:\n%s", textOf(b, state), textOf(b, want))
	}
	if n != commits {
		t.Errorf("%d commits, want %d", n, commits)
	}
}

// mapped returns a plan that the kernel takes in the user namespace that the
// test runs in: xt_owner refuses ids that are not mapped there.
func mapped(p plan.Plan) plan.Plan {
	if allMapped() {
		return p
	}
	p.Outbound = slices.Clone(p.Outbound)
	for i := range p.Outbound {
		m := &p.Outbound[i].Match
		if m.UID != nil {
			m.UID = []plan.IDRange{{}}
		}
		if m.GID != nil {
			m.GID = []plan.IDRange{{}}
		}
	}
	return p
}

// allMapped reports whether every uid exists here, as outside of user
// namespaces.
func allMapped() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(text)), " ") == "0 0 4294967295"
}
