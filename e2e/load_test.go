package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const crowd = 50

// TestFiftyPodsAtOnce starts as many without shunt, with it but not meshed, and
// meshed, says what each round took, and what the agent takes.
func TestFiftyPodsAtOnce(t *testing.T) {
	c := setUp(t)
	c.prepare()
	c.start(podsNamespace, pod{name: "client"})
	c.story("without shunt", func(c cluster) { c.crowd(false) })
	c.story("chained, and not meshed", func(c cluster) {
		c.install()
		c.crowd(false)
	})
	c.story("meshed, every one has its rules, and none had to wait", func(c cluster) {
		before, since := c.agentStats(), time.Now()
		log := c.containerdLog()
		c.crowd(true)
		after := c.agentStats()
		c.Logf("the agent: %.1f MiB (working set), %.1f ms of CPU time in %.0f s meanwhile",
			float64(after.Memory.WorkingSetBytes)/(1<<20), float64(after.CPU.UsageCoreNanoSeconds-before.CPU.UsageCoreNanoSeconds)/1e6, time.Since(since).Seconds())
		if os.Getenv(envNetDir) != "" {
			c.tookEach(c.containerdLog()[len(log):])
		}
	})
}

// crowd starts the pods, asks each, and deletes them.
func (c cluster) crowd(meshed bool) {
	c.Helper()
	annotation := "{}"
	if meshed {
		annotation = "{linkerd.io/proxy-version: e2e}"
	}
	var manifests []string
	for i := range crowd {
		manifests = append(manifests, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: crowd-%d, namespace: %s, labels: {crowd: "true"}, annotations: %s}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  dnsPolicy: Default
  containers:
  - name: linkerd-proxy
    image: %s
    command: [/bin/sh, -c, "mkdir /tmp/i /tmp/w; echo proxy inbound >/tmp/i/index.html; echo app >/tmp/w/index.html; httpd -p 4143 -h /tmp/i; exec httpd -f -p %s -h /tmp/w"]
`, i, podsNamespace, annotation, tools(), plainPort))
	}
	sum, count := c.sandboxes()
	began := time.Now()
	c.apply(strings.Join(manifests, "---"))
	c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=170s", "pods", "-l", "crowd")
	ready := time.Since(began)
	sumAfter, countAfter := c.sandboxes()
	c.Logf("%d pods were ready after %.1f s; a sandbox took %.0f ms on average, its network and those beside it included",
		crowd, ready.Seconds(), (sumAfter-sum)/(countAfter-count)*1000)
	if failed := countAfter - count - crowd; failed != 0 {
		c.Errorf("%v sandboxes failed", failed)
	}

	addresses := strings.Fields(c.kubectl("-n", podsNamespace, "get", "pods", "-l", "crowd", "-o", "jsonpath={.items[*].status.podIP}"))
	want := strings.Repeat("app\n", crowd)
	if meshed {
		want = strings.Repeat("proxy inbound\n", crowd)
	}
	ask := fmt.Sprintf("for a in %s; do timeout 5 wget -qO- http://$a:%s/ || echo nobody; done", strings.Join(addresses, " "), plainPort)
	if got := c.kubectl("-n", podsNamespace, "exec", "client", "-c", "app", "--", "sh", "-c", ask); got != strings.TrimSpace(want) {
		c.Errorf("the %d pods answer\n%s", len(addresses), got)
	}
	c.kubectl("-n", podsNamespace, "delete", "pods", "-l", "crowd", "--wait", "--timeout=170s")
}

// sandboxes is how many sandboxes the kubelets started, and how long it took, in
// seconds.
func (c cluster) sandboxes() (sum, count float64) {
	c.Helper()
	for _, node := range strings.Fields(c.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")) {
		for _, line := range strings.Split(c.kubectl("get", "--raw", "/api/v1/nodes/"+node+"/proxy/metrics"), "\n") {
			name, value, _ := strings.Cut(line, " ")
			n, _ := strconv.ParseFloat(value, 64)
			switch name {
			case `kubelet_runtime_operations_duration_seconds_sum{operation_type="run_podsandbox"}`:
				sum += n
			case `kubelet_runtime_operations_duration_seconds_count{operation_type="run_podsandbox"}`:
				count += n
			}
		}
	}
	return sum, count
}

// stats is what the kubelet counts of a container.
type stats struct {
	CPU    struct{ UsageCoreNanoSeconds int64 }
	Memory struct{ WorkingSetBytes int64 }
}

func (c cluster) agentStats() stats {
	c.Helper()
	var found stats
	c.eventually("the kubelet to count", func() error {
		node := c.kubectl("-n", meshNamespace, "get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
		var summary struct {
			Pods []struct {
				PodRef     struct{ Namespace string }
				Containers []stats
			}
		}
		if err := json.Unmarshal([]byte(c.kubectl("get", "--raw", "/api/v1/nodes/"+node+"/proxy/stats/summary")), &summary); err != nil {
			return err
		}
		for _, p := range summary.Pods {
			if p.PodRef.Namespace == meshNamespace && len(p.Containers) == 1 && p.Containers[0].Memory.WorkingSetBytes > 0 {
				found = p.Containers[0]
				return nil
			}
		}
		return fmt.Errorf("nothing of the agent's container")
	})
	return found
}

// containerdLog is the runtime's log so far, where it is here: the plugin's lines
// are in it.
func (c cluster) containerdLog() string {
	c.Helper()
	if os.Getenv(envNetDir) == "" {
		return ""
	}
	log, err := os.ReadFile(filepath.Join(os.Getenv(envFolder), "logs", "containerd.log"))
	if err != nil {
		c.Fatal(err)
	}
	return string(log)
}

// tookEach says what the plugin took for each pod, by its own log.
func (c cluster) tookEach(log string) {
	c.Helper()
	var took []time.Duration
	for _, match := range regexp.MustCompile(`msg=add pod=`+podsNamespace+`/crowd-.* decision=meshed .*took=(\S+)`).FindAllStringSubmatch(log, -1) {
		d, err := time.ParseDuration(match[1])
		if err != nil {
			c.Fatal(err)
		}
		took = append(took, d)
	}
	if len(took) != crowd {
		c.Fatalf("the log has %d pods", len(took))
	}
	slices.Sort(took)
	c.Logf("the plugin, of each pod: %v at least, %v in the middle, %v at most", took[0], took[crowd/2], took[crowd-1])
}
