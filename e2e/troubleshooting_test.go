package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTroubleshooting brings about what docs/troubleshooting.md is about, runs its
// commands, and compares what is printed with what it shows.
func TestTroubleshooting(t *testing.T) {
	m := setUp(t).machine()
	m.prepare()
	text, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	file, original := m.primary()
	binary := filepath.Join(os.Getenv(envBinDir), "linkerd-cni")
	// The document's names are those of a node elsewhere.
	here := strings.NewReplacer("/opt/cni/bin", os.Getenv(envBinDir), "/etc/cni/net.d", os.Getenv(envNetDir), "10-pods.conflist", filepath.Base(file),
		"network pods", "network k8se2e", "net.d/pods/", "net.d/k8se2e/", "Network  pods", "Network  k8se2e", "emojivoto", podsNamespace, "IMAGE", os.Getenv(envImage))
	doc := document(here.Replace(strings.ReplaceAll(string(text), "/etc/cni/net.d/pods/", "/etc/cni/net.d/k8se2e/")))

	refused := func(m machine, p pod, marker string) {
		m.Helper()
		m.apply(p.manifest(podsNamespace))
		want := doc.quote(m, marker)
		m.eventually("the pod's Event", func() error {
			if got := m.kubectl("-n", podsNamespace, "describe", "pod", p.name); !strings.Contains(got, want) {
				return fmt.Errorf("it does not say\n%s\nbut\n%s", want, got)
			}
			return nil
		})
		m.kubectl("-n", podsNamespace, "delete", "pod", p.name, "--grace-period=0", "--force")
	}

	m.install("--set", "shunt.onTerm=keep")
	m.story("a wrong annotation", func(m machine) {
		refused(m, pod{name: "web", proxy: true, annotations: map[string]string{"config.linkerd.io/skip-outbound-ports": "33o6"}}, "33o6")
	})
	m.story("a pod that runs, looked at from inside and on the node", func(m machine) {
		m.start(podsNamespace, pod{name: "web", proxy: true, annotations: map[string]string{"config.linkerd.io/skip-outbound-ports": skippedPort}})
		doc.run(m, "kubectl -n "+podsNamespace+" debug web", "/shunt explain --live inbound", "Verdict   redirect to :4143", "> 2 redirect-inbound    tcp                              redirect to :4143  0 packets")
		if out := doc.run(m, "kubectl -n "+podsNamespace+" debug web", "/shunt diff"); out != "" {
			m.Errorf("diff says\n%s", out)
		}
		netns := doc.run(m, "crictl inspectp", ".path")
		if out := m.run("nsenter", "--net="+netns, "nft", "list", "ruleset"); !strings.Contains(out, "redirect to :4143") {
			m.Errorf("the rules in %s are\n%s", netns, out)
		}
		if out := doc.run(m, "crictl inspectp", ".annotations"); !strings.Contains(out, `"linkerd.io/proxy-version": "e2e"`) {
			m.Errorf("the annotations are\n%s", out)
		}
		if out := doc.run(m, "crictl info", ""); !strings.Contains(out, os.Getenv(envBinDir)) {
			m.Errorf("the runtime's folders are\n%s", out)
		}
		m.kubectl("-n", podsNamespace, "delete", "pod", "web", "--wait")
	})
	m.story("an agent that is ready, and two ways not to be", func(m machine) {
		status := func(want ...string) {
			m.Helper()
			m.eventually("the agent's status", func() error {
				out, _ := m.try("", "kubectl", "-n", meshNamespace, "exec", "daemonset/linkerd-cni", "--", "/shunt-agent", "status")
				for _, line := range want {
					if !strings.Contains(out, line) {
						return fmt.Errorf("it does not say %q:\n%s", line, out)
					}
					if !strings.Contains(string(doc), line) {
						m.Fatalf("docs/troubleshooting.md does not say %q", line)
					}
				}
				return nil
			})
		}
		net := "/host" + os.Getenv(envNetDir)
		status("Network  k8se2e of "+net+"/"+filepath.Base(file), "Plugins  bridge, portmap, linkerd-cni", "Binary   /host"+binary+", as installed", "Agent    ready")
		m.remove(file)
		status("no network configuration in " + net + " yet: the node's CNI plugin writes it")
		m.rewrite(file, original[:len(original)/2])
		status(filepath.Base(file) + ": not a valid network configuration: ")
		m.rewrite(file, original)
		m.chained()
		doc.run(m, "kubectl get events -A", "", "ShuntChained", "linkerd-cni is chained to network k8se2e by /host"+os.Getenv(envNetDir))
	})
	m.story("an init container that is refused, and one without the capability", func(m machine) {
		for name, change := range map[string]func(map[string]any){
			"bad-port":      func(i map[string]any) { i["args"] = append(i["args"].([]any), "--inbound-ports-to-ignore", "web") },
			"no-capability": func(i map[string]any) { i["securityContext"] = map[string]any{"runAsUser": 65534} },
		} {
			var inits []map[string]any
			image := strings.Replace(os.Getenv(envImage), "shunt:", "shunt-init:", 1)
			if err := json.Unmarshal([]byte(strings.TrimPrefix(linkerdInit(image, false), "initContainers: ")), &inits); err != nil {
				m.Fatal(err)
			}
			change(inits[0])
			b, err := json.Marshal(inits)
			if err != nil {
				m.Fatal(err)
			}
			m.apply(pod{name: name, spec: "initContainers: " + string(b)}.manifest(podsNamespace))
			m.eventually("its message", func() error {
				got := m.kubectl("-n", podsNamespace, "get", "pod", name, "-o", "jsonpath={.status.initContainerStatuses[0].state.terminated.message}")
				if message := strings.TrimSpace(got); message == "" || !strings.Contains(string(doc), "Message:      "+message+"\n") {
					return fmt.Errorf("docs/troubleshooting.md does not have %q", message)
				}
				return nil
			})
			m.kubectl("-n", podsNamespace, "delete", "pod", name, "--wait")
		}
	})
	m.story("a plugin that is gone, without an agent that puts it back", func(m machine) {
		m.kubectl("-n", meshNamespace, "delete", "daemonset", "linkerd-cni", "--wait", "--cascade=foreground", "--timeout=60s")
		m.remove(binary)
		refused(m, pod{name: "gone", proxy: true}, "failed to find plugin")
	})
	m.story("an entry made by hand without the capability", func(m machine) {
		m.install("--set", "shunt.mode=chain", "--set", "shunt.onTerm=keep")
		m.kubectl("-n", meshNamespace, "delete", "daemonset", "linkerd-cni", "--wait", "--cascade=foreground", "--timeout=60s")
		m.rewrite(file, withEntry(t, original, map[string]any{"type": "linkerd-cni", "linkerd": map[string]any{"inbound-ports-to-ignore": []string{"4190", "4191"}}}))
		refused(m, pod{name: "web", proxy: true}, "runtimeConfig")
		m.rewrite(file, original)
	})
	m.story("a namespace that is not for privileged pods", func(m machine) {
		m.kubectl("label", "namespace", meshNamespace, "pod-security.kubernetes.io/enforce=baseline", "--overwrite")
		m.helm(append([]string{"upgrade", "linkerd-cni", "..", "-n", meshNamespace}, values()...)...)
		want := doc.quote(m, "violates PodSecurity")
		_, want, _ = strings.Cut(want, "is forbidden: ")
		m.eventually("the DaemonSet's Event", func() error {
			if out := doc.run(m, "kubectl -n "+meshNamespace+" describe daemonset", ""); !strings.Contains(out, want) {
				return fmt.Errorf("it does not say\n%s\nbut\n%s", want, out)
			}
			return nil
		})
		doc.run(m, "kubectl label namespace "+meshNamespace, "")
	})
}

// document is docs/troubleshooting.md, with the names of this cluster.
type document string

// quote returns the quoted message that has a marker in it, up to what is left
// out of it.
func (d document) quote(m machine, marker string) string {
	m.Helper()
	for line := range strings.Lines(string(d)) {
		if quote, is := strings.CutPrefix(line, "> "); is && strings.Contains(quote, marker) {
			if i := strings.Index(quote, "plugin type="); i > 0 {
				quote = quote[i:] // behind what differs from pod to pod
			}
			quote, _, _ = strings.Cut(quote, "…")
			return strings.TrimSpace(quote)
		}
	}
	m.Fatalf("docs/troubleshooting.md quotes no message with %q", marker)
	return ""
}

// run runs the document's command that begins and goes on as said, and checks that
// it prints lines that the document shows. It returns what was printed.
func (d document) run(m machine, begin, then string, lines ...string) string {
	m.Helper()
	for block := range strings.SplitSeq(string(d), "\n\n") {
		command := strings.TrimSpace(block)
		if !strings.HasPrefix(block, "    ") || !strings.HasPrefix(command, begin) || !strings.Contains(command, then) {
			continue
		}
		endpoint := "CONTAINER_RUNTIME_ENDPOINT=unix://" + filepath.Join(os.Getenv(envFolder), "run", "containerd.sock")
		out, err := m.try("", "env", endpoint, "sh", "-c", strings.ReplaceAll(command, "--attach", "--image-pull-policy=IfNotPresent --attach"))
		if err != nil {
			m.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(out, line) || !strings.Contains(string(d), line) {
				m.Errorf("%q is not in the document or not in what its command prints:\n%s\n%s", line, command, out)
			}
		}
		return strings.TrimSpace(out)
	}
	m.Fatalf("docs/troubleshooting.md has no command %s … %s", begin, then)
	return ""
}
