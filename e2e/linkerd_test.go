package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// theirChart stands in for Linkerd's own: as Helm, in its folder, finds it.
const theirChart = "../../e2e/testdata/linkerd2-cni"

// brokenPlugin is a linkerd-cni whose token was revoked.
const brokenPlugin = `#!/bin/sh
cat >/dev/null
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion": "1.0.0", "code": 999, "msg": "Unauthorized"}'
exit 1
`

const kubeconfig = "ZZZ-linkerd-cni-kubeconfig" // the name that Linkerd's installer gives it

// TestFromLinkerdsChartAndBack follows docs/migrate.md.
func TestFromLinkerdsChartAndBack(t *testing.T) {
	c := setUp(t)
	m := c.machine()
	c.prepare()
	file := primary(t)
	original, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	t.Cleanup(func() {
		c.rewrite(file, original)
		for _, left := range []string{kubeconfig, "k8se2e", ".shunt-installed"} {
			if err := os.RemoveAll(filepath.Join(dir, left)); err != nil {
				t.Error(err)
			}
		}
	})

	c.story("a release of Linkerd's chart is there, and its plugin's token was revoked", func(c cluster) {
		name, tag, _ := strings.Cut(tools(), ":")
		c.helm(append(release("install", theirChart), "--set", "image.name="+name, "--set", "image.version="+tag, "--set-json", `command=["sh", "-c", "trap exit TERM; sleep 1d & wait"]`)...)
		c.start(podsNamespace, pod{name: "client"}, pod{name: "early"})
		if err := os.WriteFile(filepath.Join(os.Getenv(envBinDir), "linkerd-cni"), []byte(brokenPlugin), 0o755); err != nil {
			c.Fatal(err)
		}
		c.rewrite(filepath.Join(dir, kubeconfig), []byte("token: revoked"))
		c.rewrite(file, withEntry(t, original, map[string]any{
			"name": "linkerd-cni", "type": "linkerd-cni", "log_level": "info",
			"kubernetes": map[string]any{"kubeconfig": filepath.Join(dir, kubeconfig)},
			"linkerd":    map[string]any{"incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102},
		}))
		c.apply(pod{name: "stuck", proxy: true}.manifest(podsNamespace))
		c.eventually("the pod's event", func() error {
			if text := c.kubectl("-n", podsNamespace, "describe", "pod", "stuck"); !strings.Contains(text, "Unauthorized") {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
	})
	c.story("helm upgrade to this chart replaces entry, kubeconfig and plugin, and the pod starts", func(c cluster) {
		c.helm(release("upgrade", "..")...)
		c.chained()
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/stuck")
		c.answers(podsNamespace, "client", "stuck", plainPort, "proxy inbound")
		c.answers(podsNamespace, "stuck", "early", plainPort, "proxy outbound")
		if _, err := os.Stat(filepath.Join(dir, kubeconfig)); err == nil {
			c.Errorf("%s is still there", kubeconfig)
		}
		if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte("kubeconfig")) {
			c.Errorf("the primary plugin's file is, %v\n%s", err, content)
		}
	})
	c.story("helm rollback to Linkerd's chart, by way of mode chain, leaves no file of ours", func(c cluster) {
		c.helm(append(release("upgrade", ".."), "--set", "shunt.mode=chain")...)
		c.chained()
		c.helm("rollback", "linkerd-cni", "1", "-n", meshNamespace, "--wait", "--timeout", "120s")
		if image := c.kubectl("-n", meshNamespace, "get", "daemonset", "linkerd-cni", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != tools() {
			c.Errorf("the DaemonSet's image is %s", image)
		}
		if dropIns, err := filepath.Glob(filepath.Join(dir, "*", "50-shunt.conf")); err != nil || len(dropIns) > 0 {
			c.Errorf("still there: %v, %v", dropIns, err)
		}
		c.start(podsNamespace, pod{name: "rolled-back", proxy: true})
		c.answers(podsNamespace, "client", "rolled-back", plainPort, "proxy inbound")
	})
	c.story("Linkerd's chart with only its image replaced chains the plugin", func(c cluster) {
		c.helm(release("upgrade", theirChart)...)
		c.chained()
		c.start(podsNamespace, pod{name: "their-chart", proxy: true})
		c.answers(podsNamespace, "client", "their-chart", plainPort, "proxy inbound")
		c.Log(c.kubectl("-n", meshNamespace, "logs", "daemonset/linkerd-cni"))
	})
	c.story("its hook before the end, which wants a shell, is an Event and no more", func(c cluster) {
		c.kubectl("-n", meshNamespace, "delete", "pod", "-l", "k8s-app=linkerd-cni", "--wait", "--timeout=60s")
		if text := c.kubectl("-n", meshNamespace, "get", "events"); !strings.Contains(text, "FailedPreStopHook") {
			c.Errorf("the events are\n%s", text)
		}
		c.chained()
	})
	c.story("helm uninstall leaves the plugin on the node, and shunt-agent uninstall takes it out", func(c cluster) {
		c.helm("uninstall", "linkerd-cni", "-n", meshNamespace, "--wait", "--timeout", "120s")
		c.start(podsNamespace, pod{name: "left", proxy: true})
		c.answers(podsNamespace, "client", "left", plainPort, "proxy inbound")
		m := machine{c, m.folder}
		c.Log(m.run("bin/linux-"+runtime.GOARCH+"/shunt-agent", "uninstall", "--host-prefix", "/", "--net-dir", dir, "--bin-dir", os.Getenv(envBinDir)))
		c.eventually("a pod that is not meshed", func() error { return c.unmeshed("after") })
		var before, after any
		content, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(content, &after)
		}
		if err == nil {
			err = json.Unmarshal(original, &before)
		}
		if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			c.Errorf("the primary plugin's file is, %v\n%s", err, content)
		}
	})
}

// withEntry adds an entry to a conflist.
func withEntry(t *testing.T, conflist []byte, entry any) []byte {
	t.Helper()
	var list map[string]any
	if err := json.Unmarshal(conflist, &list); err != nil {
		t.Fatal(err)
	}
	list["plugins"] = append(list["plugins"].([]any), entry)
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
