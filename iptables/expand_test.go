package iptables

import (
	"slices"
	"testing"

	"shunt/plan"
)

func TestExpandSplitsRulesThatOneLineCannotSay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		rule plan.Rule
		v4   []string
		v6   []string
	}{
		{
			name: "fifteen ports fit one rule",
			rule: plan.Rule{Name: "n", Match: plan.Match{TCP: true, DstPorts: ports("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29")}},
			v4:   []string{`-p tcp -m multiport --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "the sixteenth begins another",
			rule: plan.Rule{Name: "n", Match: plan.Match{TCP: true, DstPorts: ports("1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31")}},
			v4: []string{
				`-p tcp -m multiport --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29 -m comment --comment "shunt/n" -j RETURN`,
				`-p tcp -m multiport --dports 31 -m comment --comment "shunt/n" -j RETURN`,
			},
		},
		{
			name: "a range takes two places and is never cut",
			rule: plan.Rule{Name: "n", Match: plan.Match{TCP: true, DstPorts: ports("1,3,5,7,9,11,13,15,17,19,21,23,25,27,30-40")}},
			v4: []string{
				`-p tcp -m multiport --dports 1,3,5,7,9,11,13,15,17,19,21,23,25,27 -m comment --comment "shunt/n" -j RETURN`,
				`-p tcp -m multiport --dports 30:40 -m comment --comment "shunt/n" -j RETURN`,
			},
		},
		{
			name: "every port is said, not left out",
			rule: plan.Rule{Name: "n", Match: plan.Match{TCP: true, DstPorts: ports("0-65535")}},
			v4:   []string{`-p tcp -m multiport --dports 0:65535 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "a prefix stands in its own family only",
			rule: plan.Rule{Name: "n", Match: plan.Match{Src: prefixList("10.1.2.3/8", "fd00::/8", "192.0.2.1/32")}},
			v4: []string{
				`-s 10.0.0.0/8 -m comment --comment "shunt/n" -j RETURN`,
				`-s 192.0.2.1/32 -m comment --comment "shunt/n" -j RETURN`,
			},
			v6: []string{`-s fd00::/8 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "prefixes of the other family only leave no rule",
			rule: plan.Rule{Name: "n", Match: plan.Match{Dst: prefixList("fd00::/8")}},
			v4:   []string{},
			v6:   []string{`-d fd00::/8 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "every address is no match, as iptables-save has it",
			rule: plan.Rule{Name: "n", Match: plan.Match{Dst: prefixList("0.0.0.0/0")}},
			v4:   []string{`-m comment --comment "shunt/n" -j RETURN`},
			v6:   []string{},
		},
		{
			name: "an IPv4-mapped prefix is IPv6",
			rule: plan.Rule{Name: "n", Match: plan.Match{Src: prefixList("::ffff:10.0.0.0/104")}},
			v4:   []string{},
			v6:   []string{`-s ::ffff:10.0.0.0/104 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "one rule an id range",
			rule: plan.Rule{Name: "n", Match: plan.Match{UID: []plan.IDRange{{First: 0, Last: 0}, {First: 5, Last: 9}}}},
			v4: []string{
				`-m owner --uid-owner 0 -m comment --comment "shunt/n" -j RETURN`,
				`-m owner --uid-owner 5-9 -m comment --comment "shunt/n" -j RETURN`,
			},
		},
		{
			name: "a group",
			rule: plan.Rule{Name: "n", Match: plan.Match{GID: []plan.IDRange{{First: 7, Last: 7}}}},
			v4:   []string{`-m owner --gid-owner 7 -m comment --comment "shunt/n" -j RETURN`},
		},
		{
			name: "a redirect of listed ports, of the pod's own addresses",
			rule: plan.Rule{Name: "n", Match: plan.Match{TCP: true, DstLocal: true, DstPorts: ports("80")}, Verdict: plan.Verdict{Kind: plan.Redirect, Port: 4143}},
			v4:   []string{`-p tcp -m multiport --dports 80 -m addrtype --dst-type LOCAL -m comment --comment "shunt/n" -j REDIRECT --to-ports 4143`},
		},
		{
			name: "a rule of one family",
			rule: plan.Rule{Name: "n", Match: plan.Match{Family: plan.IPv6, OutInterface: "lo"}},
			v4:   []string{},
			v6:   []string{`-o lo -m comment --comment "shunt/n" -j RETURN`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.v6 == nil {
				test.v6 = test.v4
			}
			for fam, want := range map[plan.Family][]string{plan.IPv4: test.v4, plan.IPv6: test.v6} {
				got := []string{}
				for _, r := range split(test.rule, fam).appendTo(nil) {
					got = append(got, lineOf(r))
					if r.Match.Family != fam {
						t.Errorf("family %v in a rule of %v", r.Match.Family, fam)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%v:\n%q\nwant:\n%q", fam, got, want)
				}
			}
		})
	}
}

func TestExpandHasSectionsInOrder(t *testing.T) {
	t.Parallel()
	b := backend(t, ModeNFT)
	names := func(p plan.Plan) (list []string) {
		for _, s := range b.Expand(p).Sections {
			list = append(list, s.Place.String())
		}
		return list
	}
	v4 := []string{"ip nat PREROUTING", "ip nat OUTPUT", "ip nat PROXY_INIT_REDIRECT", "ip nat PROXY_INIT_OUTPUT"}
	v6 := []string{"ip6 nat PREROUTING", "ip6 nat OUTPUT", "ip6 nat PROXY_INIT_REDIRECT", "ip6 nat PROXY_INIT_OUTPUT"}
	p := standard()
	if got := names(p); !slices.Equal(got, slices.Concat(v4, v6)) {
		t.Errorf("with IPv6: %q", got)
	}
	p.IPv6 = false
	if got := names(p); !slices.Equal(got, v4) {
		t.Errorf("without IPv6: %q", got)
	}
}
