package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"shunt/explain"
	"shunt/netns/netnstest"
)

// explained runs `shunt explain -o json`.
func explained(t *testing.T, args ...string) *explain.Explanation {
	t.Helper()
	code, out, errs := invoke("", append([]string{"explain", "-o", "json"}, args...)...)
	if code != exitDone {
		t.Fatalf("explain %s: status %d: %s", strings.Join(args, " "), code, errs)
	}
	e := &explain.Explanation{}
	if err := json.Unmarshal([]byte(out), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// decider returns the packet counter of the rule that decides, and whether
// there is one.
func decider(e *explain.Explanation) (packets uint64, ok bool) {
	for _, c := range e.Chains {
		for _, r := range c.Rules {
			if r.Decides && r.Packets != nil {
				return *r.Packets, true
			}
		}
	}
	return 0, false
}

// Of connections that are made, the kernel does what explain says, by the
// flags and by the live rules; and it is the marked rule that counts them.
func TestExplainAgreesWithTheKernel(t *testing.T) {
	t.Parallel()
	netnstest.IDs(t, 1000, 1500, 2102)
	flags := []string{"--ipv6", "--skip-inbound-ports", "4190,4191,8080", "--skip-outbound-ports", "3306,4000-4010",
		"--skip-subnets", "10.3.0.0/16,fd01:3::/32", "--skip-outbound-subnets", "192.168.7.0/24,2001:db8::/32", "--skip-outbound-uids", "1500"}
	for _, backend := range [][]string{
		{"--backend", "nftables"},
		{"--backend", "iptables", "--iptables-mode", "nft"},
		{"--backend", "iptables", "--iptables-mode", "legacy"},
	} {
		t.Run(backend[len(backend)-1], func(t *testing.T) {
			t.Parallel()
			if backend[1] == "iptables" {
				netnstest.Tool(t, "iptables-"+backend[3])
			}
			flags := append(backend, flags...)
			top := netnstest.NewTopology(t)
			netnstest.StartProxy(t, top.Pod, 4143, 4140)
			for _, port := range []uint16{80, 3306, 4005, 8080, 4191} {
				wildcard := netip.AddrPortFrom(netip.IPv6Unspecified(), port)
				netnstest.StartApp(t, top.Server, wildcard)
				netnstest.StartApp(t, top.Pod, wildcard)
				netnstest.StartApp(t, top.Behind, wildcard)
			}
			live := []string{"--live", "--netns", top.Pod.Path}
			if code, _, errs := invoke("", append([]string{"init", "--netns", top.Pod.Path}, flags...)...); code != exitDone {
				t.Fatalf("init: status %d: %s", code, errs)
			}
			r := rand.New(rand.NewPCG(3, 4))
			for range 60 {
				from, dial, question := anyConnection(r, top)
				planned := explained(t, append(question, flags...)...)
				before := explained(t, append(question, live...)...)
				if planned.Verdict != before.Verdict {
					t.Fatalf("%s: the flags say %+v, the live rules %+v", planned.Connection, planned.Verdict, before.Verdict)
				}
				answer, err := netnstest.Dial(from, dial)
				if err != nil {
					t.Fatalf("%s: %v", planned.Connection, err)
				}
				want := fmt.Sprintf("app %s", dial.To)
				if planned.Verdict.Action == "redirect" {
					want = fmt.Sprintf("proxy %s %s", question[0], dial.To)
				}
				if answer != want {
					t.Fatalf("%s: explain says %+v, and the answer was %q, not %q", planned.Connection, planned.Verdict, answer, want)
				}
				counted, ok := decider(explained(t, append(question, live...)...))
				if earlier, was := decider(before); !ok || !was || counted != earlier+1 {
					t.Fatalf("%s: the counter of the rule that decides went from %d to %d", planned.Connection, earlier, counted)
				}
			}
		})
	}
}

// anyConnection returns who connects, how, and the question for explain about
// it. Half of the connections go out of the pod, half come in, some of those
// to what is behind the pod.
func anyConnection(r *rand.Rand, top *netnstest.Topology) (*netnstest.NS, netnstest.DialOptions, []string) {
	choose := func(list ...string) string { return list[r.IntN(len(list))] }
	port := []uint16{80, 3306, 4005, 8080, 4191}[r.IntN(5)]
	six := r.IntN(2) == 0
	if r.IntN(2) == 0 {
		own := top.Pod.IPv4.String()
		to := choose("10.129.0.9", "192.168.7.7", "192.168.8.8", "127.0.0.1", own)
		if six {
			own = top.Pod.IPv6.String()
			to = choose("fd02::9", "2001:db8::7", "::1", own)
		}
		o := netnstest.DialOptions{
			UID: []uint32{0, 1000, 1500, 2102}[r.IntN(4)],
			To:  netip.AddrPortFrom(netip.MustParseAddr(to), port),
		}
		return top.Pod, o, []string{"outbound", "--uid", fmt.Sprint(o.UID), "--from", own, "--to", o.To.String()}
	}
	from, pod, behind := choose("10.3.3.3", "10.4.4.4"), top.Pod.IPv4, top.Behind.IPv4
	if six {
		from, pod, behind = choose("fd01:3::3", "fd01:4::4"), top.Pod.IPv6, top.Behind.IPv6
	}
	o := netnstest.DialOptions{From: netip.MustParseAddr(from), To: netip.AddrPortFrom(pod, port)}
	question := []string{"inbound", "--from", from}
	if r.IntN(4) == 0 {
		o.To = netip.AddrPortFrom(behind, port)
		return top.Client, o, append(question, "--to", o.To.String())
	}
	return top.Client, o, append(question, "--port", fmt.Sprint(port))
}
