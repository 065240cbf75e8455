package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// plugin returns the cluster with `kubectl shunt` among kubectl's plugins.
func (c cluster) plugin() cluster {
	c.Helper()
	program, err := filepath.Abs("../bin/linux-" + runtime.GOARCH + "/shunt")
	if err != nil {
		c.Fatal(err)
	}
	dir := c.TempDir()
	for _, name := range []string{"kubectl-shunt", "kubectl_complete-shunt"} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			c.Fatal(err)
		}
	}
	return cluster{c.T, dir + ":" + c.path}
}

// shunt returns what `kubectl shunt` says, on both outputs, and its exit status.
func (c cluster) shunt(args ...string) (out string, status int) {
	c.Helper()
	words := append([]string{"-c", `kubectl shunt "$@" 2>&1; echo "exit status $?"`, "sh"}, args...)
	out, err := c.try("", "sh", words...)
	if err != nil {
		c.Fatal(err)
	}
	c.Logf("$ kubectl shunt %s\n%s", strings.Join(args, " "), out)
	out, last, _ := cutLast(strings.TrimSpace(out), "exit status ")
	if _, err := fmt.Sscan(last, &status); err != nil {
		c.Fatal(err)
	}
	return out, status
}

func cutLast(text, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(text, sep); i >= 0 {
		return text[:i], text[i+len(sep):], true
	}
	return text, "", false
}

// says fails the test unless kubectl shunt ends with a status and says all of it.
func (c cluster) says(status int, want []string, args ...string) {
	c.Helper()
	out, got := c.shunt(args...)
	if got != status {
		c.Errorf("kubectl shunt %s: exit status %d, want %d", strings.Join(args, " "), got, status)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			c.Errorf("kubectl shunt %s does not say %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
}

// initMode is a pod whose rules an init container writes, as Linkerd's does.
const initMode = `
apiVersion: v1
kind: Pod
metadata: {name: inited, namespace: %s, annotations: {linkerd.io/inject: enabled, config.linkerd.io/skip-outbound-ports: "3306"}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  volumes: [{name: www, emptyDir: {}}]
  initContainers:
  - name: linkerd-init
    image: %s
    command: [/usr/lib/linkerd/linkerd2-proxy-init]
    args: [--incoming-proxy-port, "4143", --outgoing-proxy-port, "4140", --proxy-uid, "2102", --inbound-ports-to-ignore, "4190,4191,4567,4568", --outbound-ports-to-ignore, "3306", --ipv6=false]
    securityContext: {capabilities: {add: [NET_ADMIN, NET_RAW]}, runAsNonRoot: true, runAsUser: 65534}
  containers:
  - %s
`

// kubectl shunt asks a real cluster: what its objects say, and how its pods stand,
// by the agent on the node and without one.
func TestKubectlShunt(t *testing.T) {
	c := setUp(t).plugin()
	c.prepare()
	image := os.Getenv(envImage)
	c.apply(fmt.Sprintf(initMode, podsNamespace, image, standIn(`readinessProbe: {exec: {command: [wget, -qO-, "http://127.0.0.1:4140/"]}, periodSeconds: 1}`)))
	c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/inited")

	c.story("plan, explain and lint read what the cluster has", func(c cluster) {
		c.says(0, []string{"Pod " + podsNamespace + "/inited: injected", "skip-outbound-ports", "3306"}, "plan", "pod/inited", "-n", podsNamespace, "-o", "table")
		c.says(0, []string{"Verdict   bypass", "skip-outbound-ports"}, "explain", "inited", "outbound", "--uid", "1000", "--to", "10.0.0.5:3306", "-n", podsNamespace)
		c.says(0, []string{"Verdict   redirect to :4140"}, "explain", "inited", "outbound", "--uid", "1000", "--to", "10.0.0.5:80", "-n", podsNamespace)
		c.says(0, []string{"errors: 0", "objects: 2"}, "lint", "pod/inited", "-n", podsNamespace)
		c.says(2, []string{`pods "absent" not found`}, "status", "absent", "-n", podsNamespace)
	})
	c.story("without an agent, an ephemeral container looks into the pod", func(c cluster) {
		c.says(2, []string{"has no agent", "--image: on node ", "run: sudo shunt status"}, "status", "inited", "-n", podsNamespace)
		c.says(0, []string{"looking from an ephemeral container", "Drift     none against the settings that were given", "Verdict   in order"}, "status", "inited", "-n", podsNamespace, "--image", image)
		c.says(0, []string{"Verdict   bypass", "rule 3 of nftables, ip shunt outbound: skip-outbound-ports"}, "explain", "inited", "outbound", "--live", "--uid", "1000", "--to", "10.0.0.5:3306", "-n", podsNamespace, "--image", image)
	})
	c.story("where such a container is refused, the error says what to run on the node", func(c cluster) {
		c.kubectl("label", "namespace", podsNamespace, "pod-security.kubernetes.io/enforce=restricted")
		c.says(2, []string{"violates PodSecurity", "run: sudo shunt diff", "crictl"}, "diff", "inited", "-n", podsNamespace, "--image", image)
		c.kubectl("label", "namespace", podsNamespace, "pod-security.kubernetes.io/enforce-")
	})
	c.story("with an agent on the node, it is asked", func(c cluster) {
		c.install()
		c.start(podsNamespace, pod{name: "meshed", proxy: true, annotations: map[string]string{"config.linkerd.io/skip-outbound-ports": skippedPort}}, pod{name: "plain"})
		for _, args := range [][]string{
			{"status", "meshed"}, {"diff", "meshed"}, {"explain", "meshed", "outbound", "--live", "--uid", "1000", "--to", "10.0.0.5:3306"},
		} {
			out, status := c.shunt(append(args, "-n", podsNamespace)...)
			if status != 0 || strings.Contains(out, "ephemeral") || args[0] == "status" && !strings.Contains(out, "Verdict   in order") ||
				args[0] == "explain" && !strings.Contains(out, "Verdict   bypass") {
				c.Errorf("kubectl shunt %s: exit status %d\n%s", strings.Join(args, " "), status, out)
			}
		}
		c.says(2, []string{"not meshed"}, "diff", "plain", "-n", podsNamespace)
		c.says(1, []string{"Verdict   no rules", "init never ran here, or its rules were removed"}, "status", "plain", "-n", podsNamespace)
	})
}
