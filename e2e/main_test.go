// Package e2e has a real Kubernetes as judge: the image, the chart and the
// agent as users get them. `make e2e` runs it, against a cluster of its own
// (up.sh) or, where KUBECONFIG names one, against that.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The environment of a run.
const (
	envFolder = "E2E"         // where up.sh builds and runs; its tools are used
	envImage  = "E2E_IMAGE"   // NAME:TAG of shunt's image, which the nodes have
	envNext   = "E2E_NEXT"    // the tag of the release to upgrade to; empty: none
	envNetDir = "E2E_NET_DIR" // folders on the node, which is this machine; empty: a node elsewhere, with the chart's defaults
	envBinDir = "E2E_BIN_DIR"
	envTools  = "E2E_TOOLS" // an image with busybox, which the nodes have
)

// cluster runs commands against the cluster under test.
type cluster struct {
	*testing.T
	path string // with kubectl and helm
}

// setUp returns the cluster, or skips: a Kubernetes is not built for every run
// of the tests.
func setUp(t *testing.T) cluster {
	t.Helper()
	if os.Getenv("KUBECONFIG") == "" || os.Getenv(envImage) == "" {
		t.Skip("needs a Kubernetes: make e2e runs it")
	}
	path := os.Getenv("PATH")
	if folder := os.Getenv(envFolder); folder != "" {
		path = filepath.Join(folder, "bin") + ":" + path
	}
	return cluster{t, path}
}

// story runs a part of a test that tells its stories in order: after one that
// failed, which prints what there is to see, the others are left out.
func (c cluster) story(name string, f func(c cluster)) {
	c.Helper()
	if c.Failed() {
		return
	}
	c.Run(name, func(t *testing.T) {
		part := cluster{t, c.path}
		t.Cleanup(func() {
			if t.Failed() {
				part.report()
			}
		})
		f(part)
	})
}

// report prints what somebody would ask for who looks into a failure.
func (c cluster) report() {
	show := func(name string, args ...string) string {
		out, err := c.try("", name, args...)
		if err != nil {
			out = err.Error()
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		lines = lines[max(0, len(lines)-80):]
		c.Logf("%s %s\n%s", name, strings.Join(args, " "), strings.Join(lines, "\n"))
		return out
	}
	show("kubectl", "get", "pods", "-A", "-o", "wide")
	show("kubectl", "get", "events", "-A", "--sort-by=.metadata.creationTimestamp")
	show("kubectl", "-n", meshNamespace, "logs", "daemonset/linkerd-cni", "--all-containers", "--tail=40")
	waiting, _ := c.try("", "kubectl", "-n", podsNamespace, "get", "pods", "--no-headers", "--field-selector=status.phase!=Running,status.phase!=Succeeded", "-o", "name")
	for i, pod := range strings.Fields(waiting) {
		if i < 3 {
			show("kubectl", "-n", podsNamespace, "describe", pod)
			show("kubectl", "-n", podsNamespace, "logs", pod, "--all-containers", "--tail=20")
		}
	}
	if dir := os.Getenv(envNetDir); dir != "" {
		show("sh", "-c", "tail -n +1 "+dir+"/*.* "+dir+"/*/*")
		show("sh", "-c", "cd "+os.Getenv(envFolder)+"/logs && grep -hE '^[EF][0-9]{4}|level=(warning|error|WARN|ERROR)' containerd.log kubelet.log | cut -c1-500")
	}
}

// prepare makes the namespaces of a test. They, and what is left of a release,
// go with it.
func (c cluster) prepare() {
	c.Helper()
	clean := func(_ string, err error) {
		if err != nil {
			c.Error(err)
		}
	}
	for name, labels := range map[string]string{meshNamespace: "pod-security.kubernetes.io/enforce: privileged", podsNamespace: ""} {
		c.apply(fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s}}}", name, labels))
		c.Cleanup(func() { clean(c.try("", "kubectl", "delete", "namespace", name, "--wait", "--timeout=120s")) })
	}
	c.Cleanup(func() {
		clean(c.tryHelm("uninstall", "linkerd-cni", "-n", meshNamespace, "--ignore-not-found", "--wait", "--timeout", "120s"))
	})
}

// install installs the chart and waits until the node is chained.
func (c cluster) install(flags ...string) {
	c.Helper()
	c.helm(append(append(release("upgrade", ".."), "--install"), flags...)...)
	c.chained()
}

// release is what Helm is called with to install or upgrade a chart here.
func release(verb, chart string) []string {
	return append([]string{verb, "linkerd-cni", chart, "-n", meshNamespace, "--wait", "--timeout", "120s"}, values()...)
}

// chained waits until the agent says that it is ready, and so does the DaemonSet.
func (c cluster) chained() {
	c.Helper()
	c.kubectl("-n", meshNamespace, "rollout", "status", "daemonset/linkerd-cni", "--timeout=120s")
	c.eventually("the agent to be ready", func() error {
		_, err := c.try("", "kubectl", "-n", meshNamespace, "exec", "daemonset/linkerd-cni", "--", "/shunt-agent", "status")
		return err
	})
}

// try runs a command with an input.
func (c cluster) try(input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "env", append([]string{"PATH=" + c.path, name}, args...)...)
	cmd.Dir = ".." // the project
	cmd.Stdin = strings.NewReader(input)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// kubectl runs kubectl, which has to succeed.
func (c cluster) kubectl(args ...string) string {
	c.Helper()
	out, err := c.try("", "kubectl", args...)
	if err != nil {
		c.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// apply creates what a manifest says.
func (c cluster) apply(manifest string) {
	c.Helper()
	if _, err := c.try(manifest, "kubectl", "apply", "-f", "-"); err != nil {
		c.Fatal(err)
	}
}

// helm runs Helm, built from the module beside the chart, in that folder: the
// chart is "..".
func (c cluster) helm(args ...string) string {
	c.Helper()
	out, err := c.tryHelm(args...)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func (c cluster) tryHelm(args ...string) (string, error) {
	home := c.TempDir()
	env := []string{"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home}
	return c.try("", "env", append(env, append([]string{"go", "-C", "chart/helm", "tool", "helm"}, args...)...)...)
}

// values are the flags that fit the chart to this cluster.
func values() []string {
	name, tag, _ := strings.Cut(os.Getenv(envImage), ":")
	flags := []string{"--set", "image.name=" + name, "--set", "image.version=" + tag}
	if dir := os.Getenv(envNetDir); dir != "" {
		flags = append(flags, "--set", "destCNINetDir="+dir)
	}
	if dir := os.Getenv(envBinDir); dir != "" {
		flags = append(flags, "--set", "destCNIBinDir="+dir)
	}
	return flags
}

// eventually calls f until it succeeds, for a minute.
func (c cluster) eventually(what string, f func() error) {
	c.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("timed out waiting for %s: %v", what, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}
