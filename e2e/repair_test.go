package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// validator is Linkerd's network validator, an init container that ends once its
// connection is redirected, as shunt's image has it. It tries for long enough that
// the agent's image can be on its way.
func validator() string {
	return fmt.Sprintf(`{name: linkerd-network-validator, image: %q, securityContext: {runAsUser: 65534},
    command: [/usr/lib/linkerd/linkerd2-network-validator, --connect-addr, "1.1.1.1:20001", --listen-addr, "0.0.0.0:4140", --timeout, 170s]}`, os.Getenv(envImage))
}

// TestPodsThatStartedBeforeThePlugin makes meshed pods on a node without the
// plugin, and then installs the chart.
func TestPodsThatStartedBeforeThePlugin(t *testing.T) {
	c := setUp(t)
	c.prepare()
	told := func(c cluster, pod string) string {
		return c.kubectl("-n", podsNamespace, "get", "events", "--field-selector", "involvedObject.name="+pod,
			"-o", `jsonpath={range .items[?(@.reportingComponent=="shunt-agent")]}{.type} {.reason}{"\n"}{end}`)
	}
	tells := func(c cluster, pod string, want ...string) {
		c.Helper()
		c.eventually("the Events of pod "+pod, func() error {
			got := told(c, pod)
			for _, w := range want {
				if !strings.Contains(got, w) {
					return fmt.Errorf("%s was told:\n%s\nwant %q", pod, got, w)
				}
			}
			return nil
		})
	}
	agentPod := func(c cluster) string {
		return c.kubectl("-n", meshNamespace, "get", "pods", "-l", "k8s-app=linkerd-cni", "-o", "jsonpath={.items[0].metadata.name}")
	}
	blocked := `initContainers: [` + validator() + `]`
	c.story("without the plugin a validator keeps a pod from starting, and one without a validator runs unmeshed", func(c cluster) {
		c.start(podsNamespace, pod{name: "client"}, pod{name: "server"}, pod{name: "running", proxy: true})
		c.answers(podsNamespace, "client", "running", plainPort, "app")
		c.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: owned, namespace: %s}
spec:
  selector: {matchLabels: {app: owned}}
  template:
    metadata: {labels: {app: owned}, annotations: {linkerd.io/proxy-version: e2e}}
    spec:
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      dnsPolicy: Default
      volumes: [{name: www, emptyDir: {}}]
      containers:
      - {name: app, image: %s, command: [httpd, -f, -p, "%s"]}
      - %s
`, podsNamespace, tools(), plainPort, standIn("ports: []")))
		c.kubectl("-n", podsNamespace, "rollout", "status", "deployment/owned", "--timeout=90s")
		c.apply(pod{name: "blocked", proxy: true, spec: blocked}.manifest(podsNamespace))
		c.apply(fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: job, namespace: %s}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {linkerd.io/proxy-version: e2e}}
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 0
      automountServiceAccountToken: false
      dnsPolicy: Default
      volumes: [{name: www, emptyDir: {}}]
      initContainers:
      - %s
      - %s
      containers:
      - {name: app, image: %s, command: [timeout, "20", wget, -qO-, "http://%s:%s/"]}
`, podsNamespace, validator(), standIn(`restartPolicy: Always, startupProbe: {exec: {command: [wget, -qO-, "http://127.0.0.1:4140/"]}, periodSeconds: 1}`),
			tools(), c.address(podsNamespace, "server"), plainPort))
		for _, which := range []string{"job-name=job", "!job-name"} {
			c.eventually("the validator of the pod that is "+which, func() error {
				state := c.kubectl("-n", podsNamespace, "get", "pods", "-l", which, "-o", `jsonpath={..initContainerStatuses[?(@.name=="linkerd-network-validator")].state}`)
				if !strings.Contains(state, "running") {
					return fmt.Errorf("its state is %s", state)
				}
				return nil
			})
		}
	})
	c.story("the agent repairs in place what the validator blocks, a pod with restartPolicy Never as well", func(c cluster) {
		c.install("--set", "shunt.metrics.enabled=true")
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=60s", "pod/blocked")
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Complete", "--timeout=60s", "job/job")
		if got := c.kubectl("-n", podsNamespace, "logs", "job/job", "-c", "app"); got != "proxy outbound" {
			c.Errorf("the job was answered by %q", got)
		}
		c.answers(podsNamespace, "client", "blocked", plainPort, "proxy inbound")
		c.answers(podsNamespace, "blocked", "server", plainPort, "proxy outbound")
		tells(c, "blocked", "Warning RulesMissing", "Normal RulesRepaired")
		if n := c.kubectl("-n", podsNamespace, "get", "pod", "blocked", "-o", "jsonpath={.status.initContainerStatuses[0].restartCount}"); n != "0" {
			c.Errorf("the validator was started again %s times", n)
		}
	})
	c.story("a pod that runs is reported, and left alone", func(c cluster) {
		tells(c, "running", "Warning RulesMissing")
		c.answers(podsNamespace, "client", "running", plainPort, "app")
		if got := told(c, "running"); strings.Contains(got, "RulesRepaired") || strings.Contains(got, "Evicted") {
			c.Errorf("it was told\n%s", got)
		}
		for _, want := range []string{`shunt_agent_repairs_total{result="done"} 2`, `shunt_agent_pods{state="unruled_running"} 2`} {
			c.eventually("the metric "+want, func() error {
				out, err := c.try("", "kubectl", "get", "--raw", "/api/v1/namespaces/"+meshNamespace+"/pods/"+agentPod(c)+":9990/proxy/metrics")
				if err == nil && !strings.Contains(out, want) {
					err = fmt.Errorf("the metrics do not have it:\n%s", out)
				}
				return err
			})
		}
	})
	c.story("shunt-agent pod shows it, and repairs it when told to", func(c cluster) {
		agent := func(args ...string) (string, error) {
			return c.try("", "kubectl", append([]string{"-n", meshNamespace, "exec", agentPod(c), "--", "/shunt-agent", "pod", podsNamespace + "/running"}, args...)...)
		}
		if out, err := agent("status"); err == nil || !strings.Contains(out, "no rules") {
			c.Errorf("status: %v\n%s", err, out)
		}
		if out, err := agent("diff"); err == nil || !strings.Contains(out, "redirect to :4143") {
			c.Errorf("diff: %v\n%s", err, out)
		}
		if _, err := agent("repair"); err == nil || !strings.Contains(err.Error(), "--force does it anyway") {
			c.Errorf("repair: %v", err)
		}
		if out, err := agent("repair", "--force"); err != nil {
			c.Errorf("repair --force: %v\n%s", err, out)
		}
		c.answers(podsNamespace, "client", "running", plainPort, "proxy inbound")
		if out, err := agent("diff"); err != nil || out != "" {
			c.Errorf("diff: %v\n%s", err, out)
		}
		if out, err := agent("explain", "inbound", "--from", c.address(podsNamespace, "client"), "--port", plainPort); err != nil || !strings.Contains(out, "redirect-inbound") {
			c.Errorf("explain: %v\n%s", err, out)
		}
	})
	c.story("with shunt.evict a pod that runs without rules is evicted, and its owner makes one with rules", func(c cluster) {
		name := func() string {
			return c.kubectl("-n", podsNamespace, "get", "pods", "-l", "app=owned", "--field-selector=status.phase=Running", "-o", `jsonpath={.items[*].metadata.name}`)
		}
		before := name()
		tells(c, before, "Warning RulesMissing")
		c.helm(append(release("upgrade", ".."), "--set", "shunt.evict=true")...)
		tells(c, before, "Warning EvictedForRules")
		c.eventually("another pod in its place", func() error {
			if now := name(); now == "" || strings.Contains(now, before) {
				return fmt.Errorf("there is %q", now)
			}
			return nil
		})
		c.answers(podsNamespace, "client", name(), plainPort, "proxy inbound")
		if got := told(c, "server"); got != "" {
			c.Errorf("a pod that is not meshed was told\n%s", got)
		}
	})
	c.story("where the runtime keeps no files of namespaces, the pods' processes tell", func(c cluster) {
		c.helm(append(release("upgrade", ".."), "--set", "shunt.netnsDir=", "--set", "shunt.netnsFromProcesses=true")...)
		c.eventually("the pod's rules, as the agent sees them", func() error {
			_, err := c.try("", "kubectl", "-n", meshNamespace, "exec", agentPod(c), "--", "/shunt-agent", "pod", podsNamespace+"/running", "diff")
			return err
		})
	})
}
