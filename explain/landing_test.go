package explain

import (
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

func TestLiveSaysWhereARedirectHasNoAddressToLandOn(t *testing.T) {
	t.Parallel()
	in4 := &Question{Direction: plan.Inbound, From: addr("10.1.2.3"), Port: 80}
	in6 := &Question{Direction: plan.Inbound, From: addr("fd00::3"), Port: 80}
	out4 := &Question{Direction: plan.Outbound, To: addr("10.0.0.5"), Port: 80}
	out6 := &Question{Direction: plan.Outbound, To: addr("fd00::5"), Port: 80}
	lo := Interface{Name: "lo", Loopback: true, IPv4: true, IPv6: true}
	eth0 := Interface{Name: "eth0", IPv4: true}
	live := apply.State{Sections: []apply.Section{
		{Hook: apply.Prerouting, Rules: rules(plan.Build(*configured(t)).Inbound)},
		{Hook: apply.Output, Rules: rules(plan.Build(*configured(t)).Outbound)},
	}}
	for _, tc := range []struct {
		name       string
		q          *Question
		interfaces []Interface
		want       string // part of a hint; "": none is about addresses
	}{
		{"nothing known", in4, nil, "on an interface without an IPv4 address the connection times out"},
		{"nothing known, IPv6", out6, nil, "without it on lo they time out"},
		{"an address", in4, []Interface{lo, eth0}, ""},
		{"none of the family", in6, []Interface{lo, eth0}, "eth0 has no IPv6 address, so connections that come in by it time out"},
		{"out by lo", out6, []Interface{lo, eth0}, ""},
		{"lo is down", out4, []Interface{eth0}, "go to 127.0.0.1: here lo is down"},
		{"no ::1", out6, []Interface{{Name: "lo", Loopback: true, IPv4: true}, eth0}, "go to ::1: here lo is down or has no such address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			hints := strings.Join(Live(tc.q, held(live), tc.interfaces).Hints, "\n")
			if !strings.Contains(hints, tc.want) || tc.want == "" && strings.Contains(hints, "time out") {
				t.Errorf("hints:\n%s\nwant %q", hints, tc.want)
			}
		})
	}
}
