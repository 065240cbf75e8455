package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestANodeByItself takes away from a node what it may lose: the API server, and
// its own power.
func TestANodeByItself(t *testing.T) {
	m := setUp(t).machine()
	m.prepare()
	m.install()
	proxied := func(m machine, pod, other string) {
		m.eventually("the proxy of "+pod+" to answer", func() error {
			id, address := m.sandbox(pod)
			if id == "" || id == other {
				return fmt.Errorf("it has no new sandbox")
			}
			for port, want := range map[string]string{plainPort: "proxy inbound", skippedPort: "app"} {
				if got, err := m.get(address, port); err != nil || got != want {
					return fmt.Errorf("port %s: %q answered, want %q: %v", port, got, want, err)
				}
			}
			return nil
		})
	}
	skips := map[string]string{skipPorts: skippedPort}
	m.start(podsNamespace, pod{name: "old", proxy: true, annotations: skips})
	proxied(m, "old", "")

	m.story("without an API server, a pod whose sandbox dies comes back with its rules", func(m machine) {
		m.stop("kube-apiserver")
		if _, err := m.try("", "kubectl", "--request-timeout=2s", "get", "nodes"); err == nil {
			m.Fatal("the API server answers")
		}
		id, _ := m.sandbox("old")
		m.ctr("tasks", "kill", "--signal", "SIGKILL", id)
		proxied(m, "old", id)
	})
	m.story("without an API server, a static pod that is new to the node starts with its rules", func(m machine) {
		file := filepath.Join(m.folder, "etc", "static", "static.yaml")
		if err := os.WriteFile(file, []byte(pod{name: "static", proxy: true, annotations: skips}.manifest(podsNamespace)), 0o600); err != nil {
			m.Fatal(err)
		}
		proxied(m, "static-node1", "")
		if err := os.Remove(file); err != nil {
			m.Fatal(err)
		}
		m.eventually("the static pod to end", func() error {
			if id, _ := m.sandbox("static-node1"); id != "" {
				return fmt.Errorf("it has the sandbox %s", id)
			}
			return nil
		})
	})
	m.story("the agent, whose API server is back, is as ready as before", func(m machine) {
		m.up()
		m.chained()
		if restarts := m.kubectl("-n", meshNamespace, "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"); restarts != "0" {
			m.Errorf("the agent was restarted %s times", restarts)
		}
	})
	m.story("a node that lost its power starts its pods with their rules", func(m machine) {
		id, _ := m.sandbox("old")
		m.run("e2e/down.sh", "node")
		if _, err := os.Stat("/run/shunt"); err == nil {
			m.Error("/run/shunt is still there")
		}
		m.up()
		proxied(m, "old", id)
		m.chained()
		if text := m.kubectl("-n", podsNamespace, "get", "events", "--field-selector=involvedObject.name=old,reason=FailedCreatePodSandBox"); strings.Contains(text, "FailedCreatePodSandBox") {
			m.Errorf("the pod had to wait for something:\n%s", text)
		}
	})
}
