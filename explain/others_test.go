package explain

import (
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

func port(p uint16) plan.Match {
	return plan.Match{TCP: true, DstPorts: []plan.PortRange{{First: p, Last: p}}}
}

// A rule of somebody else's that decides before ours, or about what ours let go,
// is named; one that never meets the connection is not.
func TestLiveNamesWhatOthersDecide(t *testing.T) {
	t.Parallel()
	p := plan.Build(*configured(t, "skip-outbound-ports=3306"))
	two := apply.Counter{Packets: 2}
	base := func(kind, at string, priority int, rules ...apply.Rule) apply.BaseChain {
		return apply.BaseChain{Place: apply.Place{Family: plan.IPv4, Table: "fw", Chain: at}, Kind: kind, At: at, Priority: priority, Rules: rules}
	}
	does := func(what string, m plan.Match) apply.Rule { return apply.Rule{Rule: plan.Rule{Match: m}, Other: what} }
	early := base("nat", "output", -150, does("dnat to 10.0.0.9:3307", port(3306)))
	early.Rules[0].Counter = &two
	late := base("nat", "output", -50, does("dnat to 10.0.0.9:3307", port(3306)), does("dnat to 10.0.0.9:80", port(80)))
	filter := base("filter", "output", 0, does("drop", port(3306)), does("drop", port(4140)))
	filter.Drops = true
	odd := base("filter", "output", -200, apply.Rule{Rule: plan.Rule{Match: plan.Match{TCP: true}}, Other: "drop", NotUnderstood: "expression limit"})
	ingoing := base("nat", "prerouting", -150, does("dnat to 10.0.0.9:3307", port(3306)))
	six := base("nat", "output", -150, does("dnat to 10.0.0.9:3307", port(3306)))
	six.Family = plan.IPv6
	unread := apply.BaseChain{Place: apply.Place{Table: "big", Chain: "out"}, Kind: "filter", At: "output", Unread: "more than 1000 rules"}
	for _, tc := range []struct {
		name   string
		port   uint16
		others []apply.BaseChain
		want   []string
		before bool
	}{
		{"a dnat before ours", 3306, []apply.BaseChain{early, ingoing, six}, []string{"Not shunt's, before shunt's rules: ip fw output (nat, priority -150) has a rule for it: tcp, destination port 3306: dnat to 10.0.0.9:3307, 2 packets"}, true},
		{"it is for another port", 80, []apply.BaseChain{early}, nil, false},
		{"a nat chain after ours takes what bypasses", 3306, []apply.BaseChain{late}, []string{"after shunt's rules: ip fw output (nat, priority -50) has a rule for it: tcp, destination port 3306: dnat"}, false},
		{"and nothing that is redirected", 80, []apply.BaseChain{late}, nil, false},
		{"a filter meets what bypasses by its own port", 3306, []apply.BaseChain{filter}, []string{"destination port 3306: drop", "what it does not accept: drop"}, false},
		{"and what is redirected by the proxy's", 80, []apply.BaseChain{filter}, []string{"destination port 4140: drop", "what it does not accept: drop"}, false},
		{"what is not understood may hold", 80, []apply.BaseChain{odd}, []string{"before shunt's rules: ip fw output (filter, priority -200) has a rule for it: tcp: drop, provided that this holds, which was not understood: expression limit"}, true},
		{"what was not read is said", 80, []apply.BaseChain{unread}, []string{"inet big out (filter, priority 0) was not read: more than 1000 rules"}, false},
	} {
		found := held(apply.State{Sections: []apply.Section{
			{Place: apply.Place{Table: "shunt", Chain: "outbound"}, Hook: apply.Output, Rules: rules(p.Outbound)},
		}})
		found.Others = tc.others
		e := Live(&Question{Direction: plan.Outbound, UID: 1000, To: addr("10.0.0.5"), Port: tc.port}, found, nil)
		var got []string
		for _, h := range e.Hints {
			if strings.HasPrefix(h, "Not shunt's") {
				got = append(got, h)
			}
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: %q", tc.name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tc.want[i]) {
				t.Errorf("%s: %q, want %q", tc.name, got[i], tc.want[i])
			}
		}
		if before := strings.HasPrefix(e.Lands, "not known: rules that are not shunt's may decide"); before != tc.before {
			t.Errorf("%s: lands on %q", tc.name, e.Lands)
		}
	}
}
