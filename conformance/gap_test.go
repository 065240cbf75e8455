package conformance

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/nftables"
	"shunt/plan"
)

// gapConfigs returns configurations to change between: their lists differ,
// appear and disappear; one redirects listed ports only; and what bypasses the
// proxy does so by its port, by its address or by not being listed. All treat
// the two ports of traffic alike.
func gapConfigs() [][]string {
	const inbound, outbound = "10.9.0.0/16,fd01:9::/32", "198.51.100.0/24,2001:db8::/32" // hold the skipped addresses
	return [][]string{
		{"--skip-ports", "9001," + evenPorts(20000, 200)},
		{"--skip-ports", "9000-9001," + evenPorts(20300, 200)}, // the same rules, another list
		{"--skip-ports", evenPorts(20400, 200), "--skip-subnets", inbound, "--skip-outbound-subnets", outbound},
		{"--skip-ports", "9001," + evenPorts(20100, 200), "--skip-subnets", "10.7.0.0/16,fd01:7::/32", "--skip-outbound-subnets", "203.0.113.0/24,2001:db9::/32"},
		{"--skip-inbound-ports", "25," + evenPorts(20000, 200), "--ports-to-redirect", "9002," + evenPorts(20100, 200),
			"--skip-outbound-ports", "9000-9001,21000-22000", "--skip-outbound-subnets", outbound, "--skip-outbound-uids", "5000-5010"},
		{"--skip-inbound-ports", "", "--ports-to-redirect", "9000-9002", "--skip-subnets", inbound, "--skip-outbound-ports", "9001", "--proxy-gid", "3000"},
	}
}

// nextConfig returns another configuration than the one before.
func nextConfig(r *rand.Rand, before int) int {
	n := len(gapConfigs())
	return (before + 1 + r.IntN(n-1)) % n
}

// evenPorts lists n single ports from first on, no two of which touch.
func evenPorts(first, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = itoa(first + 2*i)
	}
	return strings.Join(list, ",")
}

// TestGap lets clients connect without pause while the program replaces its
// rules again and again: none may escape the proxy, none may be redirected
// that is to be skipped, none may fail.
func TestGap(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			const applies = 50
			r := rand.New(rand.NewPCG(seed, 2))
			s := newStage(t, v, true, gapConfigs()[0]...)
			s.init()
			tr := s.startTraffic()
			tr.underWay(t)
			for n, config := 0, 0; n < applies; n++ {
				config = nextConfig(r, config)
				s.flags = gapConfigs()[config]
				if rep := s.init(); rep.Commits == 0 {
					t.Errorf("run %d committed nothing: %+v", n, rep)
				}
			}
			tr.noneWrong(t)
			figures.add("replacements under traffic", applies)
			figures.add("connections meanwhile", int(tr.made.Load()))
		})
	}
}

// TestGapTakeOver is TestGap for runs that go from one backend to another.
func TestGapTakeOver(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 4))
	for _, v := range variants() {
		v.need(t)
	}
	s := newStage(t, variants()[0], true, gapConfigs()[0]...)
	s.init()
	tr := s.startTraffic()
	tr.underWay(t)
	takeOvers := pick(15, 200)
	for n, config := 0, 0; n < takeOvers; n++ {
		config = nextConfig(r, config)
		s.flags, s.variant = gapConfigs()[config], variants()[(n+1)%3]
		s.init()
	}
	tr.noneWrong(t)
	figures.add("take-overs under traffic", takeOvers)
	figures.add("connections during take-overs", int(tr.made.Load()))
}

// TestGapIPv6Switched switches IPv6 off and on again: connections over IPv4
// notice nothing.
func TestGapIPv6Switched(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	s := newStage(t, variants()[0], true)
	e := newEngine(t, s.Pod)
	plans := gapPlans(t)
	e.apply(t, plans[0])
	tr := s.startTrafficOver(netip.Addr.Is4)
	tr.underWay(t)
	switches := pick(100, 5000)
	for n, config := 0, 0; n < switches && tr.wrong.Load() == 0; n++ {
		config = nextConfig(r, config)
		p := plans[config]
		if n%2 == 0 {
			p = planOf(t, append([]string{"--ipv6=false"}, gapConfigs()[config]...))
		}
		e.apply(t, p)
	}
	tr.noneWrong(t)
	figures.add("switches of IPv6 under traffic", switches)
	figures.add("connections over IPv4 meanwhile", int(tr.made.Load()))
}

// TestGapInProcess is TestGap for windows of microseconds: as many
// replacements as fit, in this process, over netlink.
func TestGapInProcess(t *testing.T) {
	t.Parallel()
	applies := pick(2000, 100_000)
	seed := seedOf(t)
	t.Logf("SHUNT_CONFORMANCE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	s := newStage(t, variants()[0], true)
	plans := gapPlans(t)
	e := newEngine(t, s.Pod)
	e.apply(t, plans[0])
	tr := s.startTraffic()
	tr.underWay(t)
	commits := 0
	for n, config := 0, 0; n < applies; n++ {
		before := config
		config = nextConfig(r, config)
		commits += e.apply(t, plans[config]).Commits
		if tr.wrong.Load() > 0 {
			t.Errorf("replacement %d, of configuration %d by %d:", n, before, config)
			break
		}
	}
	tr.noneWrong(t)
	figures.add("nftables replacements in process under traffic", applies)
	figures.add("commits of theirs", commits)
	figures.add("connections during those", int(tr.made.Load()))
}

// gapPlans returns the plans of gapConfigs.
func gapPlans(t testing.TB) []plan.Plan {
	t.Helper()
	var plans []plan.Plan
	for _, flags := range gapConfigs() {
		plans = append(plans, planOf(t, flags))
	}
	return plans
}

// planOf returns the plan that flags ask for.
func planOf(t testing.TB, flags []string) plan.Plan {
	t.Helper()
	fs := pflag.NewFlagSet("init", pflag.ContinueOnError)
	settings := config.BindFlags(fs, config.ShuntNames)
	if err := fs.Parse(append([]string{"--ipv6"}, flags...)); err != nil {
		t.Fatal(err)
	}
	cfg, err := settings.Load(func(string) (string, bool) { return "", false }, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	return plan.Build(cfg)
}

// engine applies plans in a pod from within this process.
type engine struct {
	pod *netnstest.NS
	apply.Engine
}

// newEngine returns an engine of the nftables backend, which looks for
// leftovers as the program does.
func newEngine(t testing.TB, ns *netnstest.NS) *engine {
	t.Helper()
	var nft *nftables.Backend
	err := ns.Do(func() (err error) {
		nft, err = nftables.Open(nftables.Options{Settle: netns.Settle})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nft.Close)
	return &engine{ns, apply.Engine{
		Candidates: []apply.Candidate{{Name: string(apply.NFTables), Open: func() (apply.Backend, error) { return nft, nil }}},
		Owners: func() ([]apply.Owner, error) {
			legacy, err := iptables.New(context.Background(), iptables.Options{Mode: iptables.ModeLegacy, WaitSeconds: 5})
			return []apply.Owner{nft, nft.Leftovers(), legacy}, err
		},
		HasGlobalIPv6: netns.HasGlobalIPv6,
		Settle:        netns.Settle,
		Version:       "conformance",
		Log:           slog.New(slog.DiscardHandler),
	}}
}

// apply applies a plan, which the engine verifies.
func (e *engine) apply(t testing.TB, p plan.Plan) (res apply.Result) {
	t.Helper()
	err := e.pod.Do(func() (err error) {
		res, err = e.Apply(context.Background(), p)
		return err
	})
	if err != nil {
		t.Fatal(fmt.Errorf("apply: %w", err))
	}
	return res
}
