package e2e

import (
	"fmt"
	"os"
	"strings"
)

// pod is a pod of a test: an application, a stand-in for the proxy, or both.
type pod struct {
	name        string
	annotations map[string]string
	proxy       bool   // has a stand-in for the proxy, and is meshed
	spec        string // one more line of the spec
}

// The ports that every application here listens on; each answers "app".
const (
	plainPort   = "8080"
	skippedPort = "3306"
)

// manifest is the pod as YAML.
func (p pod) manifest(namespace string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: %s
  annotations:
    e2e: "true"
`, p.name, namespace)
	if p.proxy {
		b.WriteString("    linkerd.io/proxy-version: e2e\n")
	}
	for k, v := range p.annotations {
		fmt.Fprintf(&b, "    %s: %q\n", k, v)
	}
	fmt.Fprintf(&b, `spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  dnsPolicy: Default
  volumes: [{name: www, emptyDir: {}}]
  containers:
  - name: app
    image: %s
    command: [/bin/sh, -c, "mkdir -p /tmp/w; echo app >/tmp/w/index.html; httpd -p %s -h /tmp/w; exec httpd -f -p %s -h /tmp/w"]
    readinessProbe: {exec: {command: [wget, -qO-, "http://127.0.0.1:%[3]s/"]}, periodSeconds: 1}
`, tools(), skippedPort, plainPort)
	if p.proxy {
		b.WriteString("  - " + standIn(`readinessProbe: {exec: {command: [wget, -qO-, "http://127.0.0.1:4140/"]}, periodSeconds: 1}`) + "\n")
	}
	if p.spec != "" {
		b.WriteString("  " + p.spec + "\n")
	}
	return b.String()
}

// standIn is a container that answers "proxy inbound" and "proxy outbound" on the
// proxy's ports, as the proxy's user; with more keys.
func standIn(more string) string {
	return fmt.Sprintf(`{name: linkerd-proxy, image: %s, securityContext: {runAsUser: 2102}, volumeMounts: [{name: www, mountPath: /www}], %s,
    command: [/bin/sh, -c, "mkdir /www/i /www/o; echo proxy inbound >/www/i/index.html; echo proxy outbound >/www/o/index.html; httpd -p 4140 -h /www/o; exec httpd -f -p 4143 -h /www/i"]}`, tools(), more)
}

func tools() string {
	if image := os.Getenv(envTools); image != "" {
		return image
	}
	return "localhost/tools:e2e"
}

// start makes pods and waits until they are ready.
func (c cluster) start(namespace string, pods ...pod) {
	c.Helper()
	var all []string
	for _, p := range pods {
		c.apply(p.manifest(namespace))
		all = append(all, "pod/"+p.name)
	}
	c.kubectl(append([]string{"-n", namespace, "wait", "--for=condition=Ready", "--timeout=90s"}, all...)...)
}

// address is a pod's.
func (c cluster) address(namespace, name string) string {
	c.Helper()
	return c.kubectl("-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.podIP}")
}

// answer is who answers a connection from one pod's application to another.
func (c cluster) answer(namespace, from, to, port string) string {
	c.Helper()
	return c.answerTo(namespace, from, "app", to, port)
}

func (c cluster) answerTo(namespace, from, container, to, port string) string {
	c.Helper()
	return c.kubectl("-n", namespace, "exec", from, "-c", container, "--", "timeout", "5", "wget", "-qO-", "http://"+c.address(namespace, to)+":"+port+"/")
}

// proxyLeaves fails the test unless the proxy's own connections go where they
// are going.
func (c cluster) proxyLeaves(from, to string) {
	c.Helper()
	if got := c.answerTo(podsNamespace, from, "linkerd-proxy", to, plainPort); got != "app" {
		c.Errorf("from the proxy of %s to %s: %q answered", from, to, got)
	}
}

// answers fails the test unless a connection is answered as it should be.
func (c cluster) answers(namespace, from, to, port, want string) {
	c.Helper()
	if got := c.answer(namespace, from, to, port); got != want {
		c.Errorf("from %s to %s:%s: %q answered, want %q", from, to, port, got, want)
	}
}
