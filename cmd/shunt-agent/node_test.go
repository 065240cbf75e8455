package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"shunt/netns/netnstest"
)

const (
	network = `{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "ptp"}]}`

	linkerds = `{"name": "linkerd-cni", "type": "linkerd-cni", "log_level": "info", "kubernetes": {"kubeconfig": "__KUBECONFIG_FILEPATH__"},
  "linkerd": {"incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "ports-to-redirect": [],
  "inbound-ports-to-ignore": ["4191", "4190"], "simulate": false, "use-wait-flag": false, "iptables-mode": "nft", "ipv6": false}}`

	// ptp stands in for the plugin that makes the interface.
	ptp = `#!/bin/sh
[ "$CNI_COMMAND" = DEL ] || echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}],"ips":[]}'
`
)

// machine is a node with the programs as they are built, and libcni as its
// runtime. It keeps a transcript.
type machine struct {
	testing.TB
	dir, net, bin string
	env           []string
	transcript    strings.Builder
}

func newMachine(t testing.TB, programs string) *machine {
	dir := t.TempDir()
	m := &machine{TB: t, dir: programs, net: filepath.Join(dir, "etc/cni/net.d"), bin: filepath.Join(dir, "opt/cni/bin"), env: []string{"SHUNT_AGENT_HOST_PREFIX=" + dir}}
	for _, d := range []string{m.net, m.bin} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write(filepath.Join(m.bin, "ptp"), ptp)
	m.write(filepath.Join(m.net, "10-pods.conflist"), network)
	t.Cleanup(func() { t.Log("\n" + strings.ReplaceAll(m.transcript.String(), dir, "")) })
	return m
}

func (m *machine) write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) say(format string, args ...any) { fmt.Fprintf(&m.transcript, format+"\n", args...) }

// agent runs the program, and returns its exit status.
func (m *machine) agent(args ...string) int {
	cmd := exec.Command(filepath.Join(m.dir, "shunt-agent"), args...)
	cmd.Env = m.env
	out, err := cmd.CombinedOutput()
	m.say("$ shunt-agent %s\n%s", strings.Join(args, " "), out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		m.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// add adds a meshed pod as a runtime does; drop-ins are read, as from libcni 1.3.
func (m *machine) add(ruled bool) {
	m.Helper()
	list, err := libcni.NetworkConfFromFile(filepath.Join(m.net, "10-pods.conflist"))
	if err != nil {
		m.Fatal(err)
	}
	host, pod := netnstest.New(m), netnstest.New(m)
	rt := &libcni.RuntimeConf{ContainerID: "c1", NetNS: pod.Path, IfName: "eth0",
		Args:           [][2]string{{"K8S_POD_NAMESPACE", "emojivoto"}, {"K8S_POD_NAME", "web"}},
		CapabilityArgs: map[string]any{"io.kubernetes.cri.pod-annotations": map[string]string{"linkerd.io/proxy-version": "edge"}}}
	cni := libcni.NewCNIConfigWithCacheDir([]string{m.bin}, filepath.Join(m.bin, "cache"), nil)
	host.Run(m, func() {
		if _, err := cni.AddNetworkList(context.Background(), list, rt); err != nil {
			m.Errorf("add a pod: %v", err)
		}
	})
	rules := pod.Exec(m, "", "nft", "--stateless", "list", "ruleset")
	var types []string
	for _, p := range list.Plugins {
		types = append(types, p.Network.Type)
	}
	m.say("# the runtime adds a meshed pod by %s; its rules: %d lines\n", strings.Join(types, ", "), strings.Count(rules, "\n"))
	if strings.Contains(rules, "redirect to :4143") != ruled {
		m.Errorf("the pod's rules:\n%s", rules)
	}
}

// TestANode installs with the programs as they are built, in each mode and with
// Linkerd's variables only, and adds pods by libcni.
func TestANode(t *testing.T) {
	t.Parallel()
	netnstest.Tool(t, "nft")
	programs := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w -X main.lockFolder="+programs+"/locks", "-o", programs+"/", "shunt/cmd/shunt", "shunt/cmd/shunt-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, mode := range []string{"chain", "dropin", "auto", "Linkerd's variables"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, programs)
			install := []string{"install", "--once", "--mode", mode}
			if mode == "Linkerd's variables" {
				prefix := strings.TrimPrefix(m.env[0], "SHUNT_AGENT_HOST_PREFIX=")
				m.env = []string{"CONTAINER_MOUNT_PREFIX=" + prefix, "DEST_CNI_NET_DIR=/etc/cni/net.d", "DEST_CNI_BIN_DIR=/opt/cni/bin", "CNI_NETWORK_CONFIG=" + linkerds, "SLEEP=true"}
				install = install[:2]
			}
			m.add(false)
			if status := m.agent(install...); status != exitDone {
				t.Errorf("install: status %d", status)
			}
			m.add(true)
			if status := m.agent("status"); status != exitDone {
				t.Errorf("status: %d", status)
			}
			m.write(filepath.Join(m.net, "10-pods.conflist"), network)
			m.say("# the network's own installer writes its file anew\n")
			m.add(mode == "dropin")
			m.agent(install...)
			m.add(true)
			if status := m.agent("uninstall"); status != exitDone {
				t.Errorf("uninstall: status %d", status)
			}
			m.add(false)
			if data, err := os.ReadFile(filepath.Join(m.net, "10-pods.conflist")); err != nil || string(data) != network {
				t.Errorf("the network's file is %q (%v)", data, err)
			}
			if status := m.agent("status"); status != exitFailed {
				t.Errorf("status: %d", status)
			}
		})
	}
}
