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
	envNetDir = "E2E_NET_DIR" // folders on the node, empty: the chart's defaults
	envBinDir = "E2E_BIN_DIR"
	envTools  = "E2E_TOOLS" // an image with busybox, which the nodes have
)

// cluster runs commands against the cluster under test.
type cluster struct {
	testing.TB
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
