package redirect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/config"
	"shunt/nftables"
	"shunt/plan"
)

// The first line of a diff says what differs, in the words of the rules.
func TestSummaries(t *testing.T) {
	t.Parallel()
	build := func(change ...func(*config.Config)) plan.Plan {
		c := config.Standard()
		for _, f := range change {
			f(&c)
		}
		return plan.Build(c)
	}
	ipv6 := func(c *config.Config) { c.IPv6 = true }
	mysql := func(c *config.Config) { c.SkipOutboundPorts = config.PortSet{{First: 3306, Last: 3306}} }
	subnet := func(c *config.Config) {
		c.SkipSubnets = config.SubnetSet{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	}
	for _, tc := range []struct {
		name   string
		live   plan.Plan
		want   plan.Plan
		change func(*apply.State)
		says   string
	}{
		{"equal", build(), build(), nil, ""},
		{"nothing live", plan.Plan{}, build(), func(s *apply.State) { *s = apply.State{} }, "no rules are live, 6 are missing"},
		{"one list changed", build(mysql), build(), nil, "1 rule differs: skip-outbound-ports changed (ip shunt outbound); equal otherwise"},
		{"one missing, one extra", build(subnet), build(func(c *config.Config) { c.SkipOutboundUIDs = config.IDSet{{First: 7, Last: 7}} }), nil,
			"2 rules differ: skip-subnets extra (ip shunt inbound), skip-outbound-uids missing (ip shunt outbound); equal otherwise"},
		{"IPv6 missing, and nothing else", build(subnet), build(subnet, ipv6), nil, "IPv6 is not covered; equal otherwise"},
		{"IPv6 missing, and a list changed", build(mysql), build(ipv6), nil, "IPv6 is not covered; 1 rule differs: skip-outbound-ports changed (ip shunt outbound); equal otherwise"},
		{"IPv6 too much", build(ipv6), build(), nil, "IPv6 is covered, and should not be; equal otherwise"},
		{"out of order", build(), build(), func(s *apply.State) { slices.Reverse(s.Sections[1].Rules[:2]) }, "1 rule differs: loopback out of order (ip shunt outbound); equal otherwise"},
		{"a rule without a name", build(), build(), func(s *apply.State) {
			s.Sections[0].Rules = slices.Insert(s.Sections[0].Rules, 0, apply.Rule{Rule: plan.Rule{Match: plan.Match{TCP: true}}})
		}, `1 rule differs: "meta l4proto tcp accept" not shunt's (ip shunt inbound); equal otherwise`},
		{"another priority", build(), build(), func(s *apply.State) { s.Sections[0].Spec = "type nat hook prerouting priority -90; policy accept;" },
			`ip shunt inbound is "type nat hook prerouting priority -90; policy accept;" and should be "type nat hook prerouting priority -100; policy accept;"; equal otherwise`},
		{"more than anybody reads", build(), build(), func(s *apply.State) {
			many := make([]apply.Rule, 5000)
			for i := range many {
				many[i] = apply.Rule{Rule: plan.Rule{Name: "x", Match: plan.Match{TCP: true, DstPorts: config.PortSet{{First: uint16(i), Last: uint16(i)}}}}}
			}
			s.Sections[0].Rules = append(many, s.Sections[0].Rules...)
		}, "5000 rules differ: " + strings.Repeat("x extra (ip shunt inbound), ", 8) + "and 4992 more; equal otherwise"},
		{"something else in the table", build(), build(), func(s *apply.State) {
			s.Sections = append([]apply.Section{{Place: apply.Place{Family: plan.IPv4, Table: "shunt"}, Stray: []string{"chain mine\x1b"}}}, s.Sections...)
		}, `ip shunt has what it should not: chain mine\x1b; equal otherwise`},
	} {
		expand := (&nftables.Backend{}).Expand
		live := expand(tc.live)
		if tc.change != nil {
			tc.change(&live)
		}
		if got := compare(t, live, tc.want).Summary(); got != tc.says {
			t.Errorf("%s:\n got %q\nwant %q", tc.name, got, tc.says)
		}
	}
}

// stub is nftables' shape with a state of the test's.
type stub struct {
	apply.Fake
	shape *nftables.Backend
}

func (s *stub) Expand(p plan.Plan) apply.State { return s.shape.Expand(p) }
func (s *stub) Line(r apply.Rule) string       { return s.shape.Line(r) }

func compare(t *testing.T, live apply.State, want plan.Plan) apply.Comparison {
	t.Helper()
	b := &stub{Fake: apply.Fake{Label: apply.NFTables}, shape: &nftables.Backend{}}
	b.Write(live)
	e := apply.Engine{
		Candidates: []apply.Candidate{{Open: func() (apply.Backend, error) { return b, nil }}},
		Owners:     func() ([]apply.Owner, error) { return []apply.Owner{b}, nil },
	}
	c, err := e.Compare(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
