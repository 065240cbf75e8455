package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shunt/agent"
	"shunt/agent/install"
	"shunt/agent/repair"
	"shunt/netns/netnstest"
	"shunt/pods"
)

// podNode is a node without its API server, whose agent has left what it knew of
// the pods in these namespaces.
type podNode struct {
	testing.TB
	netns, run string
}

func newPodNode(t testing.TB, top *netnstest.Topology) *podNode {
	n := &podNode{t, t.TempDir(), t.TempDir()}
	if err := os.Symlink(top.Pod.Path, filepath.Join(n.netns, "cni-1")); err != nil {
		t.Fatal(err)
	}
	pod := func(name, proxy string, ip netip.Addr, started bool) map[string]any {
		return map[string]any{"ns": "shop", "name": name, "ips": []string{ip.String()}, "started": started,
			"facts": map[string]any{"uid": name, "annotations": map[string]string{}, "labels": map[string]string{}, "containers": []string{"app", proxy}}}
	}
	data, err := json.Marshal(map[string]any{"v": 1, "pods": []any{
		pod("web-0", "linkerd-proxy", top.Pod.IPv4, true), pod("plain", "sidecar", top.Pod.IPv4, true), pod("elsewhere", "linkerd-proxy", top.Server.IPv4, true)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.run, "pods.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// pod runs the command.
func (n *podNode) pod(args ...string) (status int, out, errs string) {
	var stdout, stderr bytes.Buffer
	args = append([]string{"pod"}, append(args, "--netns-dir", n.netns, "--run-dir", n.run)...)
	env := map[string]string{"SHUNT_AGENT_FORCE": "true"} // the installer's, and not for pods
	status = run(context.Background(), system{name: "shunt-agent", args: args, stdout: &stdout, stderr: &stderr,
		lookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	return status, stdout.String(), stderr.String()
}

// repair writes the rules of web-0, which runs, with locks of its own.
func (n *podNode) repair() {
	entry, err := install.NewEntry([]byte(install.StandardEntry), "", "")
	if err != nil {
		n.Fatal(err)
	}
	p, err := agent.OpenPod(n.Context(), agent.PodConfig{Entry: entry, Locator: &repair.Locator{Folder: n.netns}, Snapshot: n.run,
		Version: "v-test", Locks: filepath.Join(n.run, "locks"), Log: slog.New(slog.DiscardHandler)}, pods.ID{Namespace: "shop", Name: "web-0"})
	if err != nil {
		n.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Repair(n.Context(), false); !errors.Is(err, agent.ErrRuns) {
		n.Errorf("without force: %v", err)
	}
	if changed, err := p.Repair(n.Context(), true); err != nil || !changed {
		n.Errorf("changed %t (%v)", changed, err)
	}
}

func TestAPodOfTheNodeWhileTheAPIServerIsAway(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newPodNode(t, top)
	for _, c := range []struct {
		args      string
		status    int
		out, errs string
	}{
		{"shop/web-0 status", 1, "no rules", "the pod is taken as the agent knew it last"},
		{"shop/web-0 status -o json", 1, `"verdict": "no rules"`, ""},
		{"shop/web-0 diff", 1, "meta l4proto tcp redirect to :4143", ""},
		{"shop/web-0 diff -o json", 1, `"equal": false`, ""},
		{"shop/web-0 explain outbound --to 10.0.0.5:3306", 0, "shunt has no live rules for outbound connections", ""},
		{"shop/web-0 explain outbound --to 10.0.0.5:3306 -o json", 0, `"workload": "pod shop/web-0"`, ""},
		{"shop/web-0 repair", 2, "", "its application has started, and writing rules resets its connections: --force does it anyway"},
		{"shop/plain diff", 2, "", "pod shop/plain has no rules to be held against: not meshed"},
		{"shop/plain status", 1, "no rules", ""},
		{"shop/elsewhere diff", 2, "", "no network namespace has the pod's addresses"},
		{"shop/none status", 2, "", "the agent did not know it"},
		{"shop/\x1b[2Jx status", 2, "", `shop/\x1b[2Jx:`},
		{"shop/web-0", 2, "", "which pod, and what about it?"},
		{"web-0 status", 2, "", `"web-0" is not a pod's namespace and name`},
		{"shop/web-0 destroy", 2, "", `"destroy" is nothing that can be done with a pod`},
		{"shop/web-0 status --force", 2, "", "flag --force: it is for repair: leave it out"},
		{"shop/web-0 diff --to 1.2.3.4:80", 2, "", "flag --to: it is for explain: leave it out"},
		{"shop/web-0 diff outbound", 2, "", `unexpected argument "outbound"`},
		{"shop/web-0 explain", 2, "", "which direction?"},
		{"shop/web-0 explain outbound", 2, "", "flag --to: where does the connection go?"},
	} {
		status, out, errs := n.pod(strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) || c.out == "" && out != "" {
			t.Errorf("%s: status %d, want %d\n%s%s\nwant %q and %q", c.args, status, c.status, out, errs, c.out, c.errs)
		}
	}
	if text := top.Pod.Exec(t, "", "nft", "list", "ruleset"); text != "" {
		t.Errorf("something was written:\n%s", text)
	}
	n.repair()
	if status, text, errs := n.pod("shop/web-0", "diff"); status != 0 || text != "" {
		t.Errorf("status %d\n%s%s", status, text, errs)
	}
	if status, text, errs := n.pod("shop/web-0", "repair"); status != 0 || text != "pod shop/web-0: the rules were right already\n" {
		t.Errorf("status %d\n%s%s", status, text, errs)
	}
	_, text, _ := n.pod("shop/web-0", "explain", "inbound", "--from", "10.1.2.3", "--port", "8080")
	if !strings.Contains(text, "redirect-inbound") {
		t.Errorf("explain:\n%s", text)
	}
}
