package repair

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shunt/apply"
	"shunt/config"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/pods"
	"shunt/redirect"
)

func TestAPodThatIsBlockedWithoutRulesIsRepairedInPlace(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	n.mount("cni-other", top.Server)
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing, shop/web RulesRepaired")
	if text := live(t, top.Pod); !strings.Contains(text, "redirect to :4143") || !strings.Contains(text, "v-test plan") {
		t.Errorf("the pod's rules:\n%s", text)
	}
	if text := live(t, top.Server); text != "" {
		t.Errorf("the rules of another namespace:\n%s", text)
	}
	if n.counts("repairs_total", done) != 1 || n.counts("repair_seconds") != 1 || n.counts("pods", "ruled") != 1 || n.counts("pods", "unruled_blocked") != 0 {
		t.Error("the metrics say something else")
	}
	// Later events are about a pod that is settled.
	p := meshed("web", "1", top.Pod.IPv4)
	p.Started = true
	n.has(p)
	n.Gone("1")
	n.comesTo(map[State]int{}, "shop/web RulesMissing, shop/web RulesRepaired")
}

func TestAPodThatRunsWithoutRulesIsReported(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	p := meshed("web", "1", top.Pod.IPv4, top.Pod.IPv6)
	p.Started = true
	n.has(p)
	n.comesTo(map[State]int{Running: 1}, "shop/web RulesMissing")
	n.has(p, p) // events that say nothing new are not told again
	withRules(t, top.Pod)
	n.has(p)
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing")
	if n.counts("repairs_total", done) != 0 {
		t.Error("it was repaired")
	}
}

func TestReportModeLeavesABlockedPodAlone(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t, func(c *Config) { c.Mode = Report })
	n.mount("cni-pod", top.Pod)
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Blocked: 1}, "shop/web RulesMissing")
	if text := live(t, top.Pod); text != "" {
		t.Errorf("the pod's rules:\n%s", text)
	}
}

func TestPodsThatAreNotToHaveRulesAreNotLookedAt(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	change := func(f func(*Pod)) Pod { p := meshed("web", "1", top.Pod.IPv4); f(&p); return p }
	n.has(
		change(func(p *Pod) { p.HostNetwork = true }),
		change(func(p *Pod) { p.Over = true }),
		change(func(p *Pod) { p.Namespace = "kube-system" }),
		change(func(p *Pod) { p.Facts.Containers = []string{"app"} }),
		change(func(p *Pod) { p.IPs = nil }),
	)
	last := meshed("last", "2", top.Server.IPv4)
	n.has(last)
	n.comesTo(map[State]int{Unknown: 1}, "shop/last NetnsNotFound")
	if text := live(t, top.Pod); text != "" {
		t.Errorf("the pod's rules:\n%s", text)
	}
}

func TestRulesOfAnOlderPlanAreLeftAloneAndCounted(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	withRules(t, top.Pod, func(c *config.Config) { c.SkipOutboundPorts = config.PortSet{{First: 3306, Last: 3306}} })
	before := live(t, top.Pod)
	n := newNode(t, func(c *Config) { c.Evict = true })
	n.mount("cni-pod", top.Pod)
	running := meshed("web", "1", top.Pod.IPv4)
	running.Started = true
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Outdated: 1}, "")
	n.has(running)
	n.comesTo(map[State]int{Outdated: 1}, "")
	if n.counts("pods", "outdated") != 1 || live(t, top.Pod) != before {
		t.Errorf("its rules are now\n%s", live(t, top.Pod))
	}
}

// Another spelling is no reason to touch a pod.
func TestRulesToTheSameEffectAreLeftAlone(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	withRules(t, top.Pod)
	// The same match without its name.
	out := top.Pod.Exec(t, "", "nft", "-a", "list", "chain", "ip", "shunt", "outbound")
	_, handle, _ := strings.Cut(out[strings.Index(out, "skuid"):], "# handle ")
	handle, _, _ = strings.Cut(handle, "\n")
	top.Pod.Exec(t, "replace rule ip shunt outbound handle "+handle+" meta skuid 2102 counter accept\n", "nft", "-f", "-")
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Outdated: 1}, "")
}

func TestAlteredRulesAreRepairedOrReported(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	withRules(t, top.Pod)
	top.Pod.Exec(t, "flush chain ip shunt outbound\n", "nft", "-f", "-")
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	running := meshed("web", "1", top.Pod.IPv4)
	running.Started = true
	n.has(running)
	n.comesTo(map[State]int{Running: 1}, "shop/web RulesMissing")
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing, shop/web RulesMissing, shop/web RulesRepaired")
	if !strings.Contains(live(t, top.Pod), "redirect to :4140") {
		t.Errorf("its rules are now\n%s", live(t, top.Pod))
	}
}

// Pods that linkerd-cni started, before shunt took its place, have rules.
func TestIptablesRulesOfLinkerdCNIAreLeftAlone(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	top.Pod.Exec(t, `*nat
:PROXY_INIT_REDIRECT - [0:0]
:PROXY_INIT_OUTPUT - [0:0]
-A PREROUTING -j PROXY_INIT_REDIRECT
-A OUTPUT -j PROXY_INIT_OUTPUT
-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-ports 4143
-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 4140
COMMIT
`, "iptables-nft-restore")
	n := newNode(t, func(c *Config) { c.Evict = true })
	n.mount("cni-pod", top.Pod)
	p := meshed("web", "1", top.Pod.IPv4)
	p.Started = true
	n.has(p)
	n.comesTo(map[State]int{Outdated: 1}, "")
}

func TestTheHostsNamespaceAndTheAgentsOwnAreNeverTouched(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	l := &Locator{Folder: t.TempDir()}
	if err := os.Symlink(top.Pod.Path, filepath.Join(l.Folder, "own")); err != nil {
		t.Fatal(err)
	}
	top.Pod.Run(t, func() { // where the agent is now
		if ns, _, err := l.Find("1", []netip.Addr{top.Pod.IPv4}); !errors.Is(err, ErrNotFound) {
			t.Errorf("its own namespace is found: %v (%v)", ns, err)
		}
	})
	if err := os.Symlink("/proc/1/ns/net", filepath.Join(l.Folder, "host")); err != nil {
		t.Fatal(err)
	}
	var addresses []netip.Addr
	if host, err := netns.Open("/proc/1/ns/net"); err == nil {
		addresses = within(host)
		_ = host.Close()
	}
	if len(addresses) == 0 {
		t.Skip("the namespace of process 1 cannot be entered from here, or has no address")
	}
	top.Pod.Run(t, func() { // an agent that is not in it
		if ns, _, err := l.Find("1", addresses[:1]); !errors.Is(err, ErrNotFound) {
			t.Errorf("the host's namespace is found: %v (%v)", ns, err)
		}
	})
}

func TestAPodWhoseAddressesDoNotFitOrFitTwiceIsNotTouched(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	if err := os.WriteFile(filepath.Join(n.folder, "cni-left"), nil, 0o644); err != nil { // of a deleted namespace
		t.Fatal(err)
	}
	n.has(meshed("half", "1", top.Pod.IPv6, top.Client.IPv6))
	n.comesTo(map[State]int{Unknown: 1}, "shop/half NetnsNotFound")
	if got := n.counts("netns_lookup_errors_total"); got != 3 {
		t.Errorf("%v lookups failed, want one more than there are pauses", got)
	}
	// Somebody who may gives another namespace the pod's address.
	top.Server.Exec(t, "", "ip", "addr", "add", top.Pod.IPv4.String()+"/32", "dev", "lo")
	n.mount("cni-server", top.Server)
	n.has(meshed("twice", "2", top.Pod.IPv4))
	n.comesTo(map[State]int{Unknown: 2}, "shop/half NetnsNotFound, shop/twice NetnsNotFound")
	for _, ns := range []*netnstest.NS{top.Pod, top.Server} {
		if text := live(t, ns); text != "" {
			t.Errorf("rules were written:\n%s", text)
		}
	}
	// Another file of the same namespace is no second one.
	top.Server.Exec(t, "", "ip", "addr", "del", top.Pod.IPv4.String()+"/32", "dev", "lo")
	n.mount("same", top.Pod)
	n.has(meshed("twice", "2", top.Pod.IPv4))
	n.comesTo(map[State]int{Unknown: 1, Ruled: 1}, "shop/half NetnsNotFound, shop/twice NetnsNotFound, shop/twice RulesMissing, shop/twice RulesRepaired")
}

// A pod's status can be late, and somebody may be allowed to write it: the
// namespace that has its address is another pod's by then.
func TestAPodWhoseAddressIsAnotherPodsToo(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-other", top.Pod)
	other := Pod{ID: pods.ID{Namespace: "bank", Name: "other", UID: "2"}, IPs: []netip.Addr{top.Pod.IPv6, top.Pod.IPv4}, Started: true}
	n.has(other, meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Unknown: 1}, "shop/web NetnsNotFound")
	if text := live(t, top.Pod); text != "" {
		t.Fatalf("rules were written:\n%s", text)
	}
	// A pod that has ended keeps its address in its status.
	other.Over = true
	n.has(other, meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Ruled: 1}, "shop/web NetnsNotFound, shop/web RulesMissing, shop/web RulesRepaired")
}

// Events once said how many namespaces there were: each other number was news.
func TestAPodThatIsNotFoundIsToldOfOnce(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.has(meshed("web", "1", top.Pod.IPv4))
	n.comesTo(map[State]int{Unknown: 1}, "shop/web NetnsNotFound")
	for name, ns := range map[string]*netnstest.NS{"cni-client": top.Client, "cni-server": top.Server} {
		n.mount(name, ns)
		n.look(t.Context(), "1")
	}
	n.comesTo(map[State]int{Unknown: 1}, "shop/web NetnsNotFound")
}

func TestANamespaceThatGetsItsAddressLateIsFound(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	n := newNode(t, func(c *Config) { c.retries = []time.Duration{time.Millisecond, time.Hour} })
	n.mount("cni-pod", ns)
	ip := netip.MustParseAddr("10.1.2.3")
	n.has(meshed("web", "1", ip))
	for n.counts("netns_lookup_errors_total") < 2 {
		time.Sleep(time.Millisecond)
	}
	ns.Exec(t, "", "ip", "addr", "add", "10.1.2.3/32", "dev", "lo")
	n.has(meshed("web", "1", ip))
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing, shop/web RulesRepaired")
}

func TestWhileTheAPIServerIsAwayNothingIsDoneThatMayBeStale(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	n.mu.Lock()
	n.away = errors.New("connection refused")
	n.mu.Unlock()
	p := meshed("web", "1", top.Pod.IPv4)
	n.has(p)
	n.comesTo(map[State]int{Blocked: 1}, "shop/web RulesMissing")
	if text := live(t, top.Pod); text != "" {
		t.Errorf("rules were written:\n%s", text)
	}
	n.mu.Lock()
	n.away = nil
	n.mu.Unlock()
	n.has(p)
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing, shop/web RulesRepaired")
}

func TestEventsComeBeforeWhatTheyTell(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	before := make(chan string, 1)
	n.mu.Lock()
	n.onTell = func(note Note) {
		if note.Reason == RulesMissing {
			before <- live(t, top.Pod)
		}
	}
	n.mu.Unlock()
	n.has(meshed("web", "1", top.Pod.IPv4))
	if text := <-before; text != "" {
		t.Errorf("the rules when people were told:\n%s", text)
	}
	n.comesTo(map[State]int{Ruled: 1}, "shop/web RulesMissing, shop/web RulesRepaired")
}

func TestARepairThatFailsIsTold(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	p := meshed("web", "1", top.Pod.IPv4)
	p.Facts.Annotations["config.linkerd.io/skip-outbound-ports"] = "mysql"
	n.has(p)
	n.comesTo(map[State]int{Unknown: 1}, "shop/web RepairFailed")
	broken := newNode(t, func(c *Config) {
		c.open = func(ns *netns.NS, cfg config.Config, o redirect.Options) Rules {
			return refused{redirect.Open(ns, cfg, o)}
		}
	})
	broken.mount("cni-pod", top.Pod)
	broken.has(meshed("web", "1", top.Pod.IPv4))
	broken.comesTo(map[State]int{Blocked: 1}, "shop/web RulesMissing, shop/web RepairFailed")
	if broken.counts("repairs_total", failed) != 1 {
		t.Error("the metrics do not say so")
	}
}

// refused are rules that the kernel does not take.
type refused struct{ Rules }

func (refused) Apply(context.Context) (apply.Result, error) {
	return apply.Result{}, errors.New("refused")
}

func TestANodeWithoutNftablesIsToldOfOnce(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t, rulesThat(apply.NoBackend([]error{fmt.Errorf("nftables: %w", apply.ErrNotSupported)})))
	n.mount("cni-pod", top.Pod)
	n.mount("cni-server", top.Server)
	n.has(meshed("web", "1", top.Pod.IPv4), meshed("db", "2", top.Server.IPv4))
	n.comesTo(map[State]int{Unknown: 2}, "node NoNftables")
}

func TestEvictionsAreFewAndOfTheVeryPod(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(c *Config) { c.Evict = true })
	var list []Pod
	for i := range 4 {
		ns := netnstest.New(t)
		ip := netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})
		ns.Exec(t, "", "ip", "addr", "add", ip.String()+"/32", "dev", "lo")
		n.mount(fmt.Sprint("cni-", i), ns)
		p := meshed(fmt.Sprint("web-", i), fmt.Sprint(i), ip)
		p.Started = true
		list = append(list, p)
	}
	list[0].Replaced = false // nobody would make it again
	n.has(list[0])
	n.comesTo(map[State]int{Running: 1}, "shop/web-0 RulesMissing")
	n.has(list[1:]...)
	said := "shop/web-0 RulesMissing, shop/web-1 EvictedForRules, evict shop/web-1 1, shop/web-2 EvictedForRules, evict shop/web-2 2, shop/web-3 RulesMissing"
	n.comesTo(map[State]int{Running: 4}, said) // the third waits
	n.Gone("1")
	n.Gone("2")
	n.comesTo(map[State]int{Running: 2}, said)
	if n.counts("evictions_total", done) != 2 {
		t.Error("the metrics do not say so")
	}
}

func TestAnEvictionThatIsRefusedIsTriedAgainLater(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	for result, err := range map[string]error{later: fmt.Errorf("%w: budget", ErrLater), gone: fmt.Errorf("%w: precondition", ErrGone), failed: errors.New("500")} {
		n := newNode(t, func(c *Config) { c.Evict = true })
		n.mount("cni-pod", top.Pod)
		n.mu.Lock()
		n.onEvict = func(pods.ID) error { return err }
		n.mu.Unlock()
		p := meshed("web", "1", top.Pod.IPv4)
		p.Started = true
		n.has(p)
		n.comesTo(map[State]int{Running: 1}, "shop/web EvictedForRules, evict shop/web 1")
		for n.counts("evictions_total", result) != 1 {
			time.Sleep(time.Millisecond)
		}
	}
}

// A runtime that keeps its namespaces elsewhere: the pod's processes tell.
func TestANamespaceIsFoundByThePodsProcesses(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	proc := t.TempDir()
	process := func(id, cgroup string, ns *netnstest.NS) {
		dir := filepath.Join(proc, id)
		if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup"), []byte("0::"+cgroup+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(ns.Path, filepath.Join(dir, "ns/net")); err != nil {
			t.Fatal(err)
		}
	}
	process("17", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/cri-containerd-ab.scope", top.Pod)
	process("18", "/kubepods/burstable/pod12-34/ab", top.Pod)
	process("19", "/kubepods/burstable/pod12-34/cd", top.Behind) // a container's own, without the address
	process("20", "/kubepods/burstable/pod56-78/ab", top.Server)
	process("self", "/kubepods/burstable/pod12-34/ab", top.Server)
	l := &Locator{Folder: filepath.Join(t.TempDir(), "none"), Proc: proc}
	ns, place, err := l.Find("12-34", []netip.Addr{top.Pod.IPv4})
	if err != nil || !ns.Same(top.Pod.NS) || !place.Still() {
		t.Fatalf("found %v, %v", ns, err)
	}
	_ = ns.Close()
	if _, _, err := l.Find("12-34", []netip.Addr{top.Server.IPv4}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an address of another pod's: %v", err)
	}
	if _, _, err := (&Locator{Folder: l.Folder}).Find("12-34", []netip.Addr{top.Pod.IPv4}); !errors.Is(err, ErrNotFound) {
		t.Errorf("without being asked to look there: %v", err)
	}
}
