package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestAnEntryWithoutAnnotations has a second entry on the node, made by hand, to
// which the container runtime hands over no annotations: as with Multus, it asks
// the agent.
func TestAnEntryWithoutAnnotations(t *testing.T) {
	m := setUp(t).machine()
	m.prepare()
	file, original := m.primary()
	m.install()
	plugin, err := os.ReadFile(filepath.Join(os.Getenv(envBinDir), "linkerd-cni"))
	if err != nil {
		t.Fatal(err)
	}
	byHand := filepath.Join(os.Getenv(envBinDir), "by-hand")
	if err := os.WriteFile(byHand, plugin, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.remove(byHand) })
	m.rewrite(file, withEntry(t, original, map[string]any{"type": "by-hand", "linkerd": map[string]any{"inbound-ports-to-ignore": []string{"4190", "4191"}}}))
	m.chained()
	asked := func(m machine) int {
		return len(regexp.MustCompile(`msg=add pod=`+podsNamespace+`/asks .*facts=agent.* decision=meshed`).FindAllString(m.containerdLog(), -1))
	}
	restarts := func(m machine) {
		m.Helper()
		before := asked(m)
		id, _ := m.sandbox("asks")
		m.ctr("tasks", "kill", "--signal", "SIGKILL", id)
		m.eventually("the pod in a new sandbox, of which the agent was asked", func() error {
			if n := asked(m); n == before {
				return fmt.Errorf("the log says %d times that it was", n)
			}
			now, address := m.sandbox("asks")
			if now == "" || now == id {
				return fmt.Errorf("it has no new sandbox")
			}
			if got, err := m.get(address, plainPort); err != nil || got != "proxy inbound" {
				return fmt.Errorf("%q answered: %v", got, err)
			}
			return nil
		})
	}

	m.story("it asks the agent, and the pod starts with its rules", func(m machine) {
		m.start(podsNamespace, pod{name: "client"}, pod{name: "asks", proxy: true})
		m.answers(podsNamespace, "client", "asks", plainPort, "proxy inbound")
		if n := asked(m); n != 1 {
			m.Errorf("the agent was asked %d times", n)
		}
	})
	m.story("without an API server the agent knows the pod from before", func(m machine) {
		m.stop("kube-apiserver")
		restarts(m)
	})
	m.story("and so does one that was started meanwhile", func(m machine) {
		id := m.crictl("ps", "--name", "^install-cni$", "--quiet", "--latest")
		m.crictl("stop", id)
		m.eventually("the agent to be started again", func() error {
			if now := m.crictl("ps", "--name", "^install-cni$", "--quiet", "--latest"); now == "" || now == id {
				return fmt.Errorf("it is not")
			}
			return nil
		})
		restarts(m)
		m.up()
		m.chained()
	})
}
