package repair

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
)

// busyNode is a node with as many pods as the kubelet's limit is often raised to,
// each with the rules of a plugin.
func busyNode(b *testing.B) (n *node, list []Pod, names []*netnstest.NS) {
	b.Helper()
	n = newNode(b, func(c *Config) { c.Log = slog.New(slog.DiscardHandler) })
	for i := range 250 {
		ns := netnstest.New(b)
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i % 250)})
		ns.Exec(b, "", "ip", "addr", "add", ip.String()+"/32", "dev", "lo")
		withRules(b, ns)
		n.mount(fmt.Sprint("cni-", i), ns)
		names = append(names, ns)
		list = append(list, meshed(fmt.Sprint("web-", i), fmt.Sprint("uid-", i), ip))
	}
	return n, list, names
}

// settle waits until so many pods are ruled.
func (n *node) settle(pods int) {
	for n.Repairer.pods.count()[Ruled] != pods {
		time.Sleep(50 * time.Microsecond)
	}
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory of this process in KiB.
func resident(b *testing.B) (kib float64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "VmRSS:") {
			_, _ = fmt.Sscanf(strings.TrimPrefix(line, "VmRSS:"), "%f", &kib)
		}
	}
	return kib
}

// What an agent that starts on a busy node costs: a look at every pod.
func BenchmarkFullScan(b *testing.B) {
	n, list, _ := busyNode(b)
	before, start := resident(b), cpu(b)
	for b.Loop() {
		for _, p := range list {
			n.Gone(p.UID)
		}
		n.Locator.seen = nil
		n.has(list...)
		n.settle(len(list))
	}
	b.ReportMetric(float64(cpu(b)-start)/float64(b.N)/1e6, "cpu-ms/scan")
	b.ReportMetric(resident(b)-before, "KiB-more")
}

// What each event of a pod costs whose rules are known to be right.
func BenchmarkEventOfASettledPod(b *testing.B) {
	n, list, _ := busyNode(b)
	n.has(list...)
	n.settle(len(list))
	for b.Loop() {
		n.look(b.Context(), "uid-7")
	}
}

// From the event of a pod that is blocked to its rules, beside 249 others.
func BenchmarkRepair(b *testing.B) {
	n, list, names := busyNode(b)
	n.has(list...)
	n.settle(len(list))
	for b.Loop() {
		b.StopTimer()
		n.Gone("uid-7")
		names[7].Exec(b, "delete table ip shunt\n", "nft", "-f", "-")
		b.StartTimer()
		n.has(list[7])
		n.settle(len(list))
	}
}
