package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	meshNamespace = "linkerd-cni" // where the chart is installed
	podsNamespace = "shunt-e2e"
	skipPorts     = "linkerd.io/skip-ports"
)

// TestTheLifeOfANode tells in order what an operator sees from the first helm
// install to the last helm uninstall.
func TestTheLifeOfANode(t *testing.T) {
	c := setUp(t)
	c.prepare()
	file := primary(t)
	var original []byte
	if file != "" {
		var err error
		if original, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	c.story("pods that run before the plugin is there keep running", func(c cluster) {
		c.start(podsNamespace, pod{name: "client"}, pod{name: "early"})
		c.answers(podsNamespace, "client", "early", plainPort, "app")
	})
	c.story("helm install makes the node ready and chains the plugin", func(c cluster) {
		c.install()
	})
	c.story("a meshed pod's connections meet the proxy, and skipped ports do not", func(c cluster) {
		c.start(podsNamespace, pod{name: "meshed", proxy: true, annotations: map[string]string{
			"config.linkerd.io/skip-inbound-ports": skippedPort, "config.linkerd.io/skip-outbound-ports": skippedPort}})
		c.answers(podsNamespace, "client", "meshed", plainPort, "proxy inbound")
		c.answers(podsNamespace, "client", "meshed", skippedPort, "app")
		c.answers(podsNamespace, "meshed", "early", plainPort, "proxy outbound")
		c.answers(podsNamespace, "meshed", "early", skippedPort, "app")
	})
	c.story("linkerd.io/skip-ports bypasses the proxy both ways", func(c cluster) {
		c.start(podsNamespace, pod{name: "skips", proxy: true, annotations: map[string]string{skipPorts: skippedPort}})
		c.answers(podsNamespace, "client", "skips", skippedPort, "app")
		c.answers(podsNamespace, "skips", "early", skippedPort, "app")
		c.answers(podsNamespace, "client", "skips", plainPort, "proxy inbound")
	})
	c.story("a pod that is not meshed is left alone", func(c cluster) {
		c.start(podsNamespace, pod{name: "plain"})
		c.answers(podsNamespace, "client", "plain", plainPort, "app")
		c.answers(podsNamespace, "plain", "early", plainPort, "app")
	})
	c.story("a bad annotation is what kubectl describe pod says", func(c cluster) {
		c.apply(pod{name: "bad", proxy: true, annotations: map[string]string{"config.linkerd.io/skip-outbound-ports": "3306,mysql"}}.manifest(podsNamespace))
		c.eventually("the pod's event", func() error {
			const want = `pod annotation config.linkerd.io/skip-outbound-ports: "mysql" is not a port`
			if text := c.kubectl("-n", podsNamespace, "describe", "pod", "bad"); !strings.Contains(text, want) {
				return fmt.Errorf("it does not say %q:\n%s", want, text)
			}
			return nil
		})
		c.kubectl("-n", podsNamespace, "delete", "pod", "bad", "--grace-period=0", "--force")
	})
	c.story("an agent that is killed leaves the plugin where it is", func(c cluster) {
		c.kubectl("-n", meshNamespace, "delete", "pod", "-l", "k8s-app=linkerd-cni", "--grace-period=0", "--force")
		c.start(podsNamespace, pod{name: "meanwhile", proxy: true})
		c.answers(podsNamespace, "client", "meanwhile", plainPort, "proxy inbound")
		c.chained()
	})
	c.story("a primary plugin that rewrites its file does not lose the chain", func(c cluster) {
		if file == "" {
			c.Skip("the node's folder is not here")
		}
		c.rewrite(file, original)
		c.eventually("the agent", func() error {
			_, err := c.try("", "kubectl", "-n", meshNamespace, "rollout", "status", "daemonset/linkerd-cni", "--timeout=5s")
			return err
		})
		c.start(podsNamespace, pod{name: "rewritten", proxy: true})
		c.answers(podsNamespace, "client", "rewritten", plainPort, "proxy inbound")
	})
	c.story("helm upgrade rolls the agent under a stream of new pods", func(c cluster) {
		done := make(chan error, 1)
		go func() {
			_, err := c.tryHelm(append(release("upgrade", ".."), "--set", "logLevel=debug")...)
			done <- err
		}()
		n := 0
		for upgrading := true; upgrading; n++ {
			select {
			case err := <-done:
				if err != nil {
					c.Fatal(err)
				}
				upgrading = false
			default:
			}
			name := fmt.Sprintf("stream-%d", n)
			c.start(podsNamespace, pod{name: name, proxy: true})
			c.answers(podsNamespace, "client", name, plainPort, "proxy inbound")
		}
		c.Logf("%d pods started meanwhile", n)
		c.chained()
	})
	c.story("helm uninstall takes the chain out, pods keep running, new ones are not meshed", func(c cluster) {
		c.helm("uninstall", "linkerd-cni", "-n", meshNamespace, "--wait", "--timeout", "120s")
		c.answers(podsNamespace, "client", "meshed", plainPort, "proxy inbound")
		c.eventually("a pod that is not meshed", func() error {
			c.kubectl("-n", podsNamespace, "delete", "pod", "after", "--ignore-not-found", "--wait")
			c.start(podsNamespace, pod{name: "after", proxy: true})
			if got := c.answer(podsNamespace, "client", "after", plainPort); got != "app" {
				return fmt.Errorf("%s answers", got)
			}
			return nil
		})
		c.kubectl("-n", podsNamespace, "delete", "pod", "meshed", "skips", "--wait", "--timeout=60s")
		if file == "" {
			return
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, original) {
			c.Errorf("the primary plugin's file was\n%s\nand is, %v\n%s", original, err, after)
		}
	})
}

// primary is the primary plugin's file, or "" where the node's folder is not
// here, as with a cluster that was there before.
func primary(t *testing.T) string {
	dir := os.Getenv(envNetDir)
	if dir == "" {
		return ""
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.conflist"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the node's folder %s has no conflist: %v", dir, err)
	}
	return files[0]
}

// rewrite writes a file anew, as its owner does, with a rename.
func (c cluster) rewrite(path string, content []byte) {
	c.Helper()
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		c.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		c.Fatal(err)
	}
}
