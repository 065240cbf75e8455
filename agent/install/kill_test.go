package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// job is what a process of its own does, until it kills itself at a step.
type job struct {
	Op               string // install, uninstall, purge (with the binary) or look
	Net, Bin, Plugin string
	Mode             Mode
	Entry            string
	KillAt           int // the number of a step; 0: none
	EmptyRun         bool
}

const jobVariable = "SHUNT_TEST_JOB"

func (j job) env() string { return jobVariable + "=" + string(mustJSON(j)) }

// self is this test's own program.
func self(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = os.Environ()
	return cmd
}

func TestMain(m *testing.M) {
	if text := os.Getenv(jobVariable); text != "" {
		if err := doJob(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(netnstest.Run(m))
}

func doJob(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	if j.EmptyRun {
		if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("run", "/run", "tmpfs", 0, "")); err != nil {
			return err
		}
	}
	entry, err := NewEntry([]byte(j.Entry), "", "")
	if err != nil {
		return err
	}
	i := New(Config{NetDir: j.Net, BinDir: j.Bin, Plugin: j.Plugin, Entry: entry, Mode: j.Mode, Kubeconfig: "ZZZ-linkerd-cni-kubeconfig"}, slog.New(slog.DiscardHandler))
	steps := 0
	i.disk.step = func(string) {
		if steps++; steps == j.KillAt {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	switch j.Op {
	case "uninstall", "purge":
		_, err = i.Uninstall(j.Op == "purge", false)
		if errors.Is(err, ErrNotInstalled) {
			err = nil
		}
		return err
	}
	st, err := i.Sync()
	fmt.Printf("%s %s %d changes\n", st.State, st.Mode, len(st.Changes))
	return err
}

// do does a job on the node and returns whether it was killed.
func (n *node) do(j job) (killed bool) {
	n.Helper()
	j.Net, j.Bin, j.Plugin = n.net, n.bin, n.plugin
	if j.Entry == "" {
		j.Entry = `{"type":"shunt","linkerd":{"proxy-uid":2102}}`
	}
	cmd := self(n)
	cmd.Env = append(cmd.Env, j.env())
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		n.Fatalf("%s: %v\n%s", j.Op, err, out)
	}
	return false
}

// intact fails the test unless the runtime can load its network and finds the
// binary of every entry of ours.
func (n *node) intact(when string) {
	n.Helper()
	list, err := load(n.net)
	if err != nil {
		n.Fatalf("%s: the runtime: %v; files: %s", when, err, n.files())
	}
	for _, p := range list.Plugins {
		path := filepath.Join(n.bin, p.Network.Type)
		if t := p.Network.Type; (t == "shunt" || t == "linkerd-cni") && n.get(path) == "" {
			n.Fatalf("%s: an entry without its binary: %s", when, t)
		}
	}
}

// old makes the temporary files of a killed process look old: young ones could
// be another agent's.
func (n *node) old() {
	n.Helper()
	past := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			err = os.Chtimes(path, past, past)
		}
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
}

func TestFaultKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	const linkerds = `{"name":"pods","plugins":[{"type":"ptp"},{"type":"linkerd-cni"}]}`
	conflist := func(n *node) { n.put("10-calico.conflist", calico) }
	conf := func(n *node) { n.put("10-flannel.conf", `{"name":"cbr0","type":"flannel"}`) }
	taken := func(n *node) {
		n.put("10-x.conflist", linkerds)
		n.put("ZZZ-linkerd-cni-kubeconfig", "token")
		n.put(filepath.Join(n.bin, "linkerd-cni"), "Linkerd's")
	}
	installed := func(before func(*node), mode Mode) func(*node) {
		return func(n *node) { before(n); n.do(job{Op: "install", Mode: mode}) }
	}
	const noBinary = "-"
	for _, c := range []struct {
		name   string
		before func(*node)
		job    job
		chain  string // afterwards
		files  string
		binary string
	}{
		{"install, chain", conflist, job{Op: "install", Mode: Chain}, "calico portmap shunt", ".shunt-installed 10-calico.conflist", "the plugin"},
		{"install, drop-in", conflist, job{Op: "install", Mode: Dropin}, "calico portmap shunt",
			".shunt-installed 10-calico.conflist k8s-pod-network/ k8s-pod-network/50-shunt.conf", "the plugin"},
		{"install, a single plugin's file", conf, job{Op: "install", Mode: Chain}, "flannel shunt", ".shunt-installed 10-flannel.conflist", "the plugin"},
		{"install over Linkerd's, chain", taken, job{Op: "install", Mode: Chain}, "ptp shunt", ".shunt-installed 10-x.conflist", "the plugin"},
		{"install over Linkerd's, drop-in", taken, job{Op: "install", Mode: Dropin}, "ptp shunt", ".shunt-installed 10-x.conflist pods/ pods/50-shunt.conf", "the plugin"},
		{"from chain to drop-in", installed(conflist, Chain), job{Op: "install", Mode: Dropin}, "calico portmap shunt",
			".shunt-installed 10-calico.conflist k8s-pod-network/ k8s-pod-network/50-shunt.conf", "the plugin"},
		{"from drop-in to chain", installed(conflist, Dropin), job{Op: "install", Mode: Chain}, "calico portmap shunt", ".shunt-installed 10-calico.conflist", "the plugin"},
		{"update", func(n *node) { installed(conflist, Chain)(n); n.put(n.plugin, "the new one") },
			job{Op: "install", Mode: Chain, Entry: `{"type":"shunt"}`}, "calico portmap shunt", ".shunt-installed 10-calico.conflist", "the new one"},
		{"uninstall, chain", installed(conflist, Chain), job{Op: "uninstall"}, "calico portmap", "10-calico.conflist", "the plugin"},
		{"uninstall, drop-in", installed(conflist, Dropin), job{Op: "uninstall"}, "calico portmap", "10-calico.conflist", "the plugin"},
		{"uninstall, a single plugin's file", installed(conf, Chain), job{Op: "uninstall"}, "flannel", "10-flannel.conf", "the plugin"},
		{"uninstall with the binary", installed(conflist, Chain), job{Op: "purge"}, "calico portmap", "10-calico.conflist", noBinary},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for step := 1; ; step++ {
				n := newNode(t)
				c.before(n)
				when := fmt.Sprintf("killed at step %d", step)
				j := c.job
				j.KillAt = step
				killed := n.do(j)
				n.intact(when)
				n.old()
				j.KillAt = 0
				n.do(j)
				n.chain(c.chain)
				binary := n.get(filepath.Join(n.bin, "shunt"))
				if c.binary == noBinary && !killed {
					c.binary = "" // a kill between record and binary leaves the binary
				}
				if files := n.files(); files != c.files || binary != c.binary && c.binary != noBinary {
					t.Errorf("%s, and done again: %s, binary %q", when, files, binary)
				}
				if entries, err := os.ReadDir(n.bin); err != nil || strings.HasPrefix(entries0(entries), ".") {
					t.Errorf("%s: temporary files stay: %v (%v)", when, entries, err)
				}
				if !killed {
					if step < 4 {
						t.Errorf("only %d steps", step)
					}
					break
				}
				if t.Failed() {
					break
				}
			}
		})
	}
}

// entries0 is the name of the first entry, "" for none.
func entries0(list []os.DirEntry) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].Name()
}

// TestFaultReadAtEveryInstant has a runtime load its network all the time
// while the plugin is installed, moved and taken out.
func TestFaultReadAtEveryInstant(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		loads := 0
		defer func() { done <- loads }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			list, err := load(n.net)
			if errors.Is(err, fs.ErrNotExist) {
				continue // libcni lists a drop-in, and then it is gone
			}
			if err != nil || len(list.Plugins) < 2 {
				t.Errorf("the runtime: %v", err)
				return
			}
			loads++
		}
	}()
	for range 20 {
		for _, mode := range []Mode{Chain, Dropin, Chain} {
			if st, err := n.agent(mode).Sync(); err != nil || st.State != Linked {
				t.Errorf("%v, %v", st, err)
			}
		}
		n.uninstall(false)
	}
	close(stop)
	if loads := <-done; loads < 20 {
		t.Errorf("the runtime loaded its network %d times", loads)
	}
}
