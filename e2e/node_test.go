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
	var file string
	var original []byte
	if os.Getenv(envNetDir) != "" {
		file, original = c.machine().primary()
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
		c.proxyLeaves("meshed", "early")
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
		c.machine().rewrite(file, original)
		c.chained()
		c.start(podsNamespace, pod{name: "rewritten", proxy: true})
		c.answers(podsNamespace, "client", "rewritten", plainPort, "proxy inbound")
	})
	c.story("a primary plugin that takes another file and network is followed, and back", func(c cluster) {
		m := c.machine()
		other := filepath.Join(filepath.Dir(file), "05-other.conflist")
		change := strings.NewReplacer(`"k8se2e"`, `"k8se2e-other"`, "cni0", "cni1", "10.244.0.0", "10.244.1.0")
		m.rewrite(other, []byte(change.Replace(string(original))))
		m.remove(file)
		c.chained()
		c.start(podsNamespace, pod{name: "followed", proxy: true})
		c.answers(podsNamespace, "client", "followed", plainPort, "proxy inbound")
		m.rewrite(file, original)
		m.remove(other)
		c.chained()
		c.start(podsNamespace, pod{name: "followed-back", proxy: true})
		c.answers(podsNamespace, "client", "followed-back", plainPort, "proxy inbound")
		c.kubectl("-n", podsNamespace, "delete", "pod", "followed", "--wait", "--timeout=60s")
	})
	c.story("a primary plugin's file that is cut off is waited for, by an agent that goes on", func(c cluster) {
		m := c.machine()
		before := c.agents()
		if err := os.WriteFile(file, original[:len(original)/2], 0o644); err != nil {
			c.Fatal(err)
		}
		c.eventually("the agent to say so", func() error {
			text, err := c.try("", "kubectl", "-n", meshNamespace, "exec", "daemonset/linkerd-cni", "--", "/shunt-agent", "status")
			if err == nil {
				return fmt.Errorf("its status is\n%s", text)
			}
			return nil
		})
		m.rewrite(file, original)
		c.chained()
		c.start(podsNamespace, pod{name: "whole-again", proxy: true})
		c.answers(podsNamespace, "client", "whole-again", plainPort, "proxy inbound")
		if after := c.agents(); after != before {
			c.Errorf("the agents were %s, and are %s", before, after)
		}
	})
	c.story("a Job's pod that is never restarted talks through its proxy, a sidecar", func(c cluster) {
		c.apply(fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: %s}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {linkerd.io/proxy-version: e2e}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      volumes: [{name: www, emptyDir: {}}]
      initContainers: [%s]
      containers:
      - {name: app, image: %s, command: [wget, -qO-, "http://%s:%s/"]}
`, podsNamespace, standIn("restartPolicy: Always, startupProbe: {exec: {command: [wget, -qO-, \"http://127.0.0.1:4140/\"]}, periodSeconds: 1}"), tools(), c.address(podsNamespace, "early"), plainPort))
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Complete", "--timeout=90s", "job/once")
		if got := c.kubectl("-n", podsNamespace, "logs", "job/once", "-c", "app"); got != "proxy outbound" {
			c.Errorf("%q answered the job", got)
		}
	})
	c.story("a pod with users of its own (hostUsers: false) is like any other", func(c cluster) {
		if os.Getenv(envNetDir) != "" && os.Getenv("RUNC") == "" {
			c.Skip("needs runc 1.2 and containerd 2: RUNC=v1.3.0")
		}
		c.start(podsNamespace, pod{name: "users", proxy: true, spec: "hostUsers: false"})
		if text := c.kubectl("-n", podsNamespace, "exec", "users", "-c", "app", "--", "cat", "/proc/self/uid_map"); strings.Contains(text, "4294967295") {
			c.Errorf("its users are the node's: %s", text)
		}
		c.answers(podsNamespace, "client", "users", plainPort, "proxy inbound")
		c.answers(podsNamespace, "users", "early", plainPort, "proxy outbound")
		c.proxyLeaves("users", "early")
	})
	c.story("a pod in the node's own network leaves the node's rules alone", func(c cluster) {
		m := c.machine()
		rules := func() string { return m.run("nsenter", "--net=/run/netns/k8se2e", "nft", "-s", "list", "ruleset") }
		before := rules()
		c.start(podsNamespace, pod{name: "host", proxy: true, spec: "hostNetwork: true"})
		if after := rules(); after != before || strings.Contains(after, "4143") {
			c.Errorf("the node's rules were\n%s\nand are\n%s", before, after)
		}
		c.kubectl("-n", podsNamespace, "delete", "pod", "host", "--wait", "--timeout=60s")
	})
	c.story("helm upgrade to the next version rolls the agent under a stream of new pods", func(c cluster) {
		flags := append(release("upgrade", ".."), "--set", "logLevel=debug")
		next := os.Getenv(envNext)
		if next != "" {
			flags = append(flags, "--set", "image.version="+next)
		}
		done := make(chan error, 1)
		go func() {
			_, err := c.tryHelm(flags...)
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
		if version := c.kubectl("-n", meshNamespace, "exec", "daemonset/linkerd-cni", "--", "/shunt-agent", "version"); !strings.Contains(version, next) {
			c.Errorf("the agent's version is %q, want %s", version, next)
		}
	})
	c.story("helm uninstall takes the chain out, pods keep running, new ones are not meshed", func(c cluster) {
		c.helm("uninstall", "linkerd-cni", "-n", meshNamespace, "--wait", "--timeout", "120s")
		c.answers(podsNamespace, "client", "meshed", plainPort, "proxy inbound")
		c.eventually("a pod that is not meshed", func() error { return c.unmeshed("after") })
		c.kubectl("-n", podsNamespace, "delete", "pod", "meshed", "skips", "--wait", "--timeout=60s")
		if file == "" {
			return
		}
		if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, original) {
			c.Errorf("the primary plugin's file was\n%s\nand is, %v\n%s", original, err, after)
		}
	})
}

// agents are the agents' pods, and how often each was restarted.
func (c cluster) agents() string {
	c.Helper()
	return c.kubectl("-n", meshNamespace, "get", "pods", "-l", "k8s-app=linkerd-cni", "-o", "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].restartCount};{end}")
}

// unmeshed makes a pod that would be meshed, and says whether it is.
func (c cluster) unmeshed(name string) error {
	c.Helper()
	c.kubectl("-n", podsNamespace, "delete", "pod", name, "--ignore-not-found", "--wait")
	c.start(podsNamespace, pod{name: name, proxy: true})
	if got := c.answer(podsNamespace, "client", name, plainPort); got != "app" {
		return fmt.Errorf("%q answers", got)
	}
	return nil
}
