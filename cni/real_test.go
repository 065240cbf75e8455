package cni

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/netns/netnstest"
)

// program builds the program once for the tests of one parent test, in a
// folder of its own that has it under all of its names, and returns the
// folder.
func program(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w -X main.lockFolder="+filepath.Join(dir, "locks")+" -X main.agentSocket="+filepath.Join(dir, "agent.sock"), "-o", filepath.Join(dir, "shunt"), "shunt/cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	for _, name := range []string{"linkerd-cni", "proxy-init"} {
		if err := os.Symlink("shunt", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// The go command does not know that the test depends on the program, and
	// would take the result from its cache after a change there.
	files, err := filepath.Glob("../cmd/shunt/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("the program's source: %v, %v", files, err)
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// execute runs the program as a runtime does, from inside ns.
func execute(t testing.TB, ns *netnstest.NS, path string, e env, stdin string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(path)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for k, v := range e {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err := ns.Do(cmd.Run)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcomeOf(t, cmd.ProcessState.ExitCode(), out.String(), errs.String())
}

// realConf is a network configuration for the program, with what the chart
// writes and these members.
func realConf(members ...string) string { return conf(append([]string{chart}, members...)...) }

// TestProgram runs the program itself, with real rules.
func TestProgram(t *testing.T) {
	t.Parallel()
	dir := program(t)
	t.Run("a meshed and another pod", func(t *testing.T) {
		t.Parallel()
		node, pod := netnstest.New(t), netnstest.New(t)
		add := podEnv("ADD", pod.Path)
		for _, name := range []string{"shunt", "linkerd-cni"} { // the role does not depend on the name
			path := filepath.Join(dir, name)
			o := execute(t, node, path, add, realConf(annotations()))
			o.ok(t)
			if rules := ruleset(t, pod); o.stdout != prev || rules != "" {
				t.Errorf("%s: a pod that is not meshed: result %s, rules\n%s", name, o.stdout, rules)
			}
			o = execute(t, node, path, add, realConf(injected("config.linkerd.io/skip-outbound-ports", "3306")))
			o.ok(t)
			if rules := ruleset(t, pod); o.stdout != prev || !strings.Contains(rules, "table inet shunt") || !strings.Contains(rules, "3306") {
				t.Errorf("%s: a meshed pod: result %s, rules\n%s", name, o.stdout, rules)
			}
			if !strings.Contains(o.stderr, "commits=1 ") { // nothing connects yet
				t.Errorf("%s: it took more than one commit:\n%s", name, o.stderr)
			}
			if rules := ruleset(t, node); rules != "" {
				t.Errorf("%s: rules on the node:\n%s", name, rules)
			}
			execute(t, node, path, podEnv("DEL", pod.Path), "").ok(t)
			if rules := ruleset(t, pod); rules != "" {
				t.Errorf("%s: after DEL:\n%s", name, rules)
			}
		}
	})
	t.Run("facts from the agent", func(t *testing.T) {
		t.Parallel()
		testFacts(t, dir)
	})
	t.Run("held up", func(t *testing.T) {
		t.Parallel()
		testHeld(t, dir)
	})
	t.Run("the verbs without a pod", func(t *testing.T) {
		t.Parallel()
		node := netnstest.New(t)
		path := filepath.Join(dir, "shunt")
		newer := strings.Replace(realConf(), "1.0.0", "1.1.0", 1)
		execute(t, node, path, env{"CNI_COMMAND": "STATUS"}, newer).ok(t)
		execute(t, node, path, env{"CNI_COMMAND": "GC"}, newer).ok(t)
		if o := execute(t, node, path, env{"CNI_COMMAND": "VERSION"}, "{}"); !strings.Contains(o.stdout, "1.1.0") {
			t.Errorf("VERSION says %s", o.stdout)
		}
		// A backend whose commands this node does not have.
		bare := filepath.Join(t.TempDir(), "bare")
		script := "#!/bin/sh\nexec unshare --mount sh -c 'for dir in /usr/sbin /sbin; do mount -t tmpfs none $dir; done; exec " + path + "'\n"
		if err := os.WriteFile(bare, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		legacy := strings.Replace(newer, `"iptables-mode": "nft"`, `"iptables-mode": "legacy"`, 1)
		execute(t, node, bare, env{"CNI_COMMAND": "STATUS"}, legacy).ok(t) // Linkerd falls back
		insisting := strings.Replace(legacy, `"linkerd":`, `"backend":"iptables","linkerd":`, 1)
		execute(t, node, bare, env{"CNI_COMMAND": "STATUS"}, insisting).fails(t, types.ErrPluginNotAvailable, "iptables-legacy")
		execute(t, node, bare, env{"CNI_COMMAND": "STATUS"}, newer).ok(t)
		execute(t, node, path, env{"CNI_COMMAND": "STATUS"}, legacy).ok(t)
		if tables := node.Exec(t, "", "cat", "/proc/net/ip_tables_names"); tables != "" {
			t.Errorf("STATUS created legacy tables on the node: %s", tables)
		}
		if rules := ruleset(t, node); rules != "" {
			t.Errorf("rules on the node:\n%s", rules)
		}
	})
	t.Run("a bad annotation changes nothing", func(t *testing.T) {
		t.Parallel()
		node, pod := netnstest.New(t), netnstest.New(t)
		execute(t, node, filepath.Join(dir, "shunt"), podEnv("ADD", pod.Path), realConf(injected("config.linkerd.io/skip-inbound-ports", "80,x"))).
			fails(t, 7, "pod emojivoto/web-5f", "config.linkerd.io/skip-inbound-ports", `"x"`)
		if rules := ruleset(t, pod); rules != "" {
			t.Errorf("rules:\n%s", rules)
		}
	})
	t.Run("the node's own namespace", func(t *testing.T) {
		t.Parallel()
		node := netnstest.New(t) // stands for the node
		execute(t, node, filepath.Join(dir, "shunt"), podEnv("ADD", node.Path), realConf(injected())).fails(t, 8, "the node's own")
		execute(t, node, filepath.Join(dir, "shunt"), podEnv("DEL", node.Path), realConf(injected())).ok(t)
		if rules := ruleset(t, node); rules != "" {
			t.Errorf("rules:\n%s", rules)
		}
	})
	t.Run("the namespace of process 1", func(t *testing.T) {
		t.Parallel()
		// Process 1 of a pid namespace is in "first", the plugin in another.
		first := netnstest.New(t)
		script := filepath.Join(t.TempDir(), "script")
		text := "#!/bin/sh\nset -e\nmount -t proc proc /proc\n" // for /proc/1
		for _, verb := range []string{"ADD", "DEL"} {
			text += fmt.Sprintf("printf %%s \"$CONF\" | CNI_COMMAND=%s unshare --net %s || echo status $?\n", verb, filepath.Join(dir, "shunt"))
		}
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(netnstest.Tool(t, "unshare"), "--pid", "--mount", "--fork", "--kill-child", script)
		cmd.Env = append(os.Environ(), "CONF="+realConf(injected()), "CNI_NETNS=/proc/1/ns/net",
			"CNI_CONTAINERID=x", "CNI_IFNAME=eth0", "CNI_ARGS=K8S_POD_NAMESPACE=a;K8S_POD_NAME=b")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := first.Do(cmd.Run); err != nil {
			t.Fatalf("%v\n%s", err, &out)
		}
		for text, times := range map[string]int{"add failed": 1, "del is taken as done, although it failed": 1, "is the node's own": 3, "status 1": 1} {
			if strings.Count(out.String(), text) != times {
				t.Errorf("it does not say %q %d times:\n%s", text, times, &out)
			}
		}
		if rules := ruleset(t, first); rules != "" {
			t.Errorf("rules:\n%s", rules)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		testConcurrent(t, filepath.Join(dir, "shunt"))
	})
	t.Run("a chain of real plugins", func(t *testing.T) {
		t.Parallel()
		testChain(t, dir)
	})
	t.Run("containerd", func(t *testing.T) {
		t.Parallel()
		testContainerd(t, dir)
	})
}

// testConcurrent has several pods added at once, each of them twice: pods do
// not disturb each other, and two runs for one pod converge.
func testConcurrent(t *testing.T, path string) {
	const pods, each = 8, 2
	node := netnstest.New(t)
	type run struct {
		pod *netnstest.NS
		out outcome
	}
	done := make(chan run)
	for range pods {
		pod := netnstest.New(t)
		for range each {
			go func() {
				done <- run{pod, execute(t, node, path, podEnv("ADD", pod.Path), realConf(injected()))}
			}()
		}
	}
	changed := map[*netnstest.NS]int{}
	for range pods * each {
		r := <-done
		r.out.ok(t)
		changed[r.pod] += strings.Count(r.out.stderr, "changed=true")
	}
	want := ""
	for pod, n := range changed {
		if n != 1 {
			t.Errorf("%d of the runs for one pod changed something, want 1", n)
		}
		rules := ruleset(t, pod)
		if want == "" {
			want = rules
		}
		if rules != want || strings.Count(rules, "table inet shunt") != 1 {
			t.Errorf("rules of one pod:\n%s\nof another:\n%s", rules, want)
		}
	}
}

// ruleset returns what nft lists in ns, without counters.
func ruleset(t testing.TB, ns *netnstest.NS) string {
	t.Helper()
	return strings.TrimSpace(ns.Exec(t, "", "nft", "--stateless", "list", "ruleset"))
}
