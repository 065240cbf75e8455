package explain

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"shunt/apply"
	"shunt/plan"
)

// rules are planned rules as a backend holds them.
func rules(planned []plan.Rule) []apply.Rule {
	var out []apply.Rule
	for _, r := range planned {
		out = append(out, apply.Rule{Rule: r})
	}
	return out
}

// held are states of nftables and then of legacy iptables.
func held(states ...apply.State) *apply.Found {
	found := &apply.Found{}
	for i, s := range states {
		found.Held = append(found.Held, apply.Held{Owner: []apply.ID{apply.NFTables, apply.IPTablesLegacy}[i], State: s})
	}
	return found
}

func TestLive(t *testing.T) {
	t.Parallel()
	c := configured(t, "skip-outbound-ports=3306")
	p := plan.Build(*c)
	seven := apply.Counter{Packets: 7}
	nft := func(p plan.Plan) apply.State {
		out := rules(p.Outbound)
		out[len(out)-1].Counter = &seven
		return apply.State{Sections: []apply.Section{
			{Place: apply.Place{Table: "shunt", Chain: "inbound"}, Hook: apply.Prerouting, Rules: rules(p.Inbound)},
			{Place: apply.Place{Table: "shunt", Chain: "outbound"}, Hook: apply.Output, Rules: out},
		}}
	}
	ipt := func(p plan.Plan) apply.State {
		nat := func(chain string) apply.Place { return apply.Place{Family: plan.IPv4, Table: "nat", Chain: chain} }
		jump := func(chain string) []apply.Rule {
			return []apply.Rule{{Rule: plan.Rule{Name: "x", Match: plan.Match{Family: plan.IPv4}}, Jump: chain}}
		}
		return apply.State{Sections: []apply.Section{
			{Place: nat("PREROUTING"), Hook: apply.Prerouting, Rules: jump("PROXY_INIT_REDIRECT")},
			{Place: nat("OUTPUT"), Hook: apply.Output, Rules: jump("PROXY_INIT_OUTPUT")},
			{Place: nat("PROXY_INIT_REDIRECT"), Rules: rules(p.Inbound)},
			{Place: nat("PROXY_INIT_OUTPUT"), Rules: rules(p.Outbound)},
		}}
	}
	q := &Question{Direction: plan.Outbound, UID: 1000, To: addr("10.0.0.5"), Port: 3306}

	e := Live(q, held(nft(p), apply.State{}), nil)
	if verdict(e.Verdict) != "bypass" || e.Why != "rule 3 of nftables, inet shunt outbound: skip-outbound-ports" || !e.Live || len(e.Chains) != 1 {
		t.Errorf("%+v", e)
	}
	if r := e.Chains[0].Rules; r[0].Packets != nil || r[3].Packets == nil || *r[3].Packets != 7 || !r[2].Decides {
		t.Errorf("%+v", r)
	}

	// One that redirects is enough, wherever it stands.
	bare := ipt(plan.Build(*configured(t)))
	for _, states := range [][]apply.State{{nft(p), bare}, {bare, nft(p)}} {
		e = Live(q, held(states...), nil)
		if verdict(e.Verdict) != "redirect to :4140" || !strings.HasSuffix(e.Why, "ip nat PROXY_INIT_OUTPUT: redirect-outbound") || len(e.Chains) != 2 {
			t.Errorf("%+v", e)
		}
	}

	// IPv6 does not meet the rules of IPv4, nor inbound those of outbound.
	six := &Question{Direction: plan.Outbound, To: addr("fd00::5"), Port: 80}
	if e = Live(six, held(bare), nil); verdict(e.Verdict) != "bypass" || len(e.Chains) != 0 ||
		e.Why != "shunt has no live rules for outbound connections of this family" {
		t.Errorf("%+v", e)
	}
	in := &Question{From: addr("10.1.2.3"), Port: 80}
	if e = Live(in, held(bare), nil); verdict(e.Verdict) != "redirect to :4143" {
		t.Errorf("%+v", e)
	}

	// Without a jump the chain is never reached.
	bare.Sections = bare.Sections[2:]
	if e = Live(q, held(bare), nil); verdict(e.Verdict) != "bypass" || len(e.Chains) != 0 {
		t.Errorf("%+v", e)
	}

	// A verdict of somebody else's is not taken for one of ours.
	foreign := nft(p)
	foreign.Sections[1].Rules = slices.Insert(foreign.Sections[1].Rules, 0, apply.Rule{Other: "drop"})
	if e = Live(q, held(foreign), nil); verdict(e.Verdict) != "other" || !strings.Contains(e.Lands, "drop") || e.Chains[0].Rules[0].verdict() != "drop" {
		t.Errorf("%+v", e)
	}

	// What cannot be read is named.
	odd := nft(p)
	odd.Sections[1].Rules = slices.Insert(slices.Clone(odd.Sections[1].Rules), 0, apply.Rule{NotUnderstood: "meta mark 1"})
	odd.Sections[0].Stray = []string{"chain extra"}
	e = Live(q, held(odd), nil)
	hints := strings.Join(e.Hints, "\n")
	if !strings.Contains(hints, "Not considered, nftables, inet shunt outbound: meta mark 1") || !strings.Contains(hints, "inet shunt inbound: chain extra") {
		t.Errorf("hints %q", hints)
	}

	// Rules that match nothing bypass.
	udp := &Question{Direction: plan.Outbound, UDP: true, To: addr("10.0.0.5"), Port: 53}
	if e = Live(udp, held(nft(p)), nil); e.Why != "only TCP is redirected" {
		t.Errorf("%+v", e)
	}
}

func TestNotInjected(t *testing.T) {
	t.Parallel()
	e := NotInjected(&Question{Port: 80}, "nobody asks")
	if verdict(e.Verdict) != "bypass" || e.Why != "the pod has no rules, because it is not injected: nobody asks" || e.Changes == nil || e.Chains == nil || e.Hints == nil {
		t.Errorf("%+v", e)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	c := configured(t, "skip-outbound-ports=80", "skip-outbound-subnets=10.0.0.0/8", "skip-outbound-uids=0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32,34,36,38,40,42")
	e := Plan(&Question{Direction: plan.Outbound, UID: 1000, To: addr("10.0.0.5"), Port: 80}, c)
	e.Workload = "Deployment shop/web"
	two := uint64(2)
	e.Chains[0].Rules[0].Packets = &two
	var b strings.Builder
	if err := e.WriteText(&b, Screen{}); err != nil {
		t.Fatal(err)
	}
	const want = `outbound TCP connection of user 1000, group 0, to 10.0.0.5:80
in Deployment shop/web

outbound
  1 proxy-uid              socket owner's uid 2102                                            bypass             2 packets
  2 skip-outbound-uids     socket owner's uid 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30,32…  bypass
  3 loopback               leaves by lo                                                       bypass
> 4 skip-outbound-ports    tcp, destination port 80                                           bypass
  5 skip-outbound-subnets  destination 10.0.0.0/8                                             bypass
  6 redirect-outbound      tcp                                                                redirect to :4140

Verdict   bypass
Why       rule 4, skip-outbound-ports: connections to these ports go to their destination directly
Lands on  10.0.0.5:80, where it was going
Change    skip-outbound-ports is 80 (flag --skip-outbound-ports); without 80: and
          skip-outbound-subnets is 10.0.0.0/8 (flag --skip-outbound-subnets); without 10.0.0.5: redirect to :4140
Note      Skip ports are matched before a Service's address is translated: use the Service's port, not the container's.
`
	if b.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", &b, want)
	}
}

// On a terminal no line is wider than it, and the verdict has a colour.
func TestTextFitsTheTerminal(t *testing.T) {
	t.Parallel()
	e := Plan(&Question{Direction: plan.Outbound, UID: 1000, To: addr("10.0.0.5"), Port: 80}, configured(t, "skip-outbound-ports=3306"))
	var b strings.Builder
	if err := e.WriteText(&b, Screen{Width: 72, Colour: true}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 72 && !strings.Contains(line, "\x1b") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(b.String(), "Verdict   \x1b[32mredirect to :4140\x1b[0m\n") {
		t.Errorf("no colour:\n%s", b.String())
	}
}
