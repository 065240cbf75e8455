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
	m := setUp(t).machine()
	m.prepare()
	file, original := m.primary()
	dir := filepath.Dir(file)

	m.story("a release of Linkerd's chart is there, and its plugin's token was revoked", func(m machine) {
		name, tag, _ := strings.Cut(tools(), ":")
		m.helm(append(release("install", theirChart), "--set", "image.name="+name, "--set", "image.version="+tag, "--set-json", `command=["sh", "-c", "trap exit TERM; sleep 1d & wait"]`)...)
		m.start(podsNamespace, pod{name: "client"}, pod{name: "early"})
		if err := os.WriteFile(filepath.Join(os.Getenv(envBinDir), "linkerd-cni"), []byte(brokenPlugin), 0o755); err != nil {
			m.Fatal(err)
		}
		m.rewrite(filepath.Join(dir, kubeconfig), []byte("token: revoked"))
		m.rewrite(file, withEntry(t, original, map[string]any{
			"name": "linkerd-cni", "type": "linkerd-cni", "log_level": "info",
			"kubernetes": map[string]any{"kubeconfig": filepath.Join(dir, kubeconfig)},
			"linkerd":    map[string]any{"incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102},
		}))
		m.apply(pod{name: "stuck", proxy: true}.manifest(podsNamespace))
		m.eventually("the pod's event", func() error {
			if text := m.kubectl("-n", podsNamespace, "describe", "pod", "stuck"); !strings.Contains(text, "Unauthorized") {
				return fmt.Errorf("%s", text)
			}
			return nil
		})
	})
	m.story("helm upgrade to this chart replaces entry, kubeconfig and plugin, and the pod starts", func(m machine) {
		m.helm(release("upgrade", "..")...)
		m.chained()
		m.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/stuck")
		m.answers(podsNamespace, "client", "stuck", plainPort, "proxy inbound")
		m.answers(podsNamespace, "stuck", "early", plainPort, "proxy outbound")
		if _, err := os.Stat(filepath.Join(dir, kubeconfig)); err == nil {
			m.Errorf("%s is still there", kubeconfig)
		}
		if content, err := os.ReadFile(file); err != nil || bytes.Contains(content, []byte("kubeconfig")) {
			m.Errorf("the primary plugin's file is, %v\n%s", err, content)
		}
	})
	m.story("helm rollback to Linkerd's chart, by way of mode chain, leaves no file of ours", func(m machine) {
		m.helm(append(release("upgrade", ".."), "--set", "shunt.mode=chain")...)
		m.chained()
		m.helm("rollback", "linkerd-cni", "1", "-n", meshNamespace, "--wait", "--timeout", "120s")
		if image := m.kubectl("-n", meshNamespace, "get", "daemonset", "linkerd-cni", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != tools() {
			m.Errorf("the DaemonSet's image is %s", image)
		}
		if dropIns, err := filepath.Glob(filepath.Join(dir, "*", "50-shunt.conf")); err != nil || len(dropIns) > 0 {
			m.Errorf("still there: %v, %v", dropIns, err)
		}
		m.start(podsNamespace, pod{name: "rolled-back", proxy: true})
		m.answers(podsNamespace, "client", "rolled-back", plainPort, "proxy inbound")
	})
	m.story("Linkerd's chart with only its image replaced chains the plugin", func(m machine) {
		m.helm(release("upgrade", theirChart)...)
		m.chained()
		m.start(podsNamespace, pod{name: "their-chart", proxy: true})
		m.answers(podsNamespace, "client", "their-chart", plainPort, "proxy inbound")
		m.Log(m.kubectl("-n", meshNamespace, "logs", "daemonset/linkerd-cni"))
	})
	m.story("its hook before the end, which wants a shell, is an Event and no more", func(m machine) {
		m.kubectl("-n", meshNamespace, "delete", "pod", "-l", "k8s-app=linkerd-cni", "--wait", "--timeout=60s")
		if text := m.kubectl("-n", meshNamespace, "get", "events"); !strings.Contains(text, "FailedPreStopHook") {
			m.Errorf("the events are\n%s", text)
		}
		m.chained()
	})
	m.story("helm uninstall leaves the plugin on the node, and shunt-agent uninstall takes it out", func(m machine) {
		m.helm("uninstall", "linkerd-cni", "-n", meshNamespace, "--wait", "--timeout", "120s")
		m.start(podsNamespace, pod{name: "left", proxy: true})
		m.answers(podsNamespace, "client", "left", plainPort, "proxy inbound")
		m.Log(m.run("bin/linux-"+runtime.GOARCH+"/shunt-agent", "uninstall", "--host-prefix", "/", "--net-dir", dir, "--bin-dir", os.Getenv(envBinDir)))
		m.eventually("a pod that is not meshed", func() error { return m.unmeshed("after") })
		var before, after any
		content, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(content, &after)
		}
		if err == nil {
			err = json.Unmarshal(original, &before)
		}
		if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			m.Errorf("the primary plugin's file is, %v\n%s", err, content)
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
