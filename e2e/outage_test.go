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
	c := setUp(t)
	m := c.machine()
	c.prepare()
	c.install()
	proxied := func(c cluster, pod, other string) {
		m := machine{c, m.folder}
		c.eventually("the proxy of "+pod+" to answer", func() error {
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
	c.start(podsNamespace, pod{name: "old", proxy: true, annotations: skips})
	proxied(c, "old", "")

	c.story("without an API server, a pod whose sandbox dies comes back with its rules", func(c cluster) {
		m := machine{c, m.folder}
		m.stop("kube-apiserver")
		if _, err := c.try("", "kubectl", "--request-timeout=2s", "get", "nodes"); err == nil {
			c.Fatal("the API server answers")
		}
		id, _ := m.sandbox("old")
		m.run("ctr", "-a", filepath.Join(m.folder, "run", "containerd.sock"), "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id)
		proxied(c, "old", id)
	})
	c.story("without an API server, a static pod that is new to the node starts with its rules", func(c cluster) {
		m := machine{c, m.folder}
		file := filepath.Join(m.folder, "etc", "static", "static.yaml")
		if err := os.WriteFile(file, []byte(pod{name: "static", proxy: true, annotations: skips}.manifest(podsNamespace)), 0o600); err != nil {
			c.Fatal(err)
		}
		proxied(c, "static-node1", "")
		if err := os.Remove(file); err != nil {
			c.Fatal(err)
		}
		c.eventually("the static pod to end", func() error {
			if id, _ := m.sandbox("static-node1"); id != "" {
				return fmt.Errorf("it has the sandbox %s", id)
			}
			return nil
		})
	})
	c.story("the agent, whose API server is back, is as ready as before", func(c cluster) {
		machine{c, m.folder}.up()
		c.chained()
		if restarts := c.kubectl("-n", meshNamespace, "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"); restarts != "0" {
			c.Errorf("the agent was restarted %s times", restarts)
		}
	})
	c.story("a node that lost its power starts its pods with their rules", func(c cluster) {
		m := machine{c, m.folder}
		id, _ := m.sandbox("old")
		m.run("e2e/down.sh", "node")
		if _, err := os.Stat("/run/shunt"); err == nil {
			c.Error("/run/shunt is still there")
		}
		m.up()
		proxied(c, "old", id)
		c.chained()
		if text := c.kubectl("-n", podsNamespace, "get", "events", "--field-selector=involvedObject.name=old,reason=FailedCreatePodSandBox"); strings.Contains(text, "FailedCreatePodSandBox") {
			c.Errorf("the pod had to wait for something:\n%s", text)
		}
	})
}
