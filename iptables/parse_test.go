package iptables

import (
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

func TestParseRuleReadsOtherSpellings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, spec, want string
		family           plan.Family
	}{
		{name: "tcp extension", spec: `-p tcp -m tcp -j REDIRECT --to-ports 4143`, want: `-p tcp -j REDIRECT --to-ports 4143`},
		{name: "protocol by number", spec: `-p 6 -j REDIRECT --to-ports 4143`, want: `-p tcp -j REDIRECT --to-ports 4143`},
		{name: "one port of the tcp extension", spec: `-p tcp -m tcp --dport 80 -j RETURN`, want: `-p tcp -m multiport --dports 80 -j RETURN`},
		{name: "a range of the tcp extension", spec: `-p tcp -m tcp --dport 1024:65535 -j RETURN`, want: `-p tcp -m multiport --dports 1024:65535 -j RETURN`},
		{name: "long names", spec: `--protocol tcp --match multiport --destination-ports 80,443 --jump RETURN`, want: `-p tcp -m multiport --dports 80,443 -j RETURN`},
		{name: "ports in another order", spec: `-p tcp -m multiport --dports 443,80 -j RETURN`, want: `-p tcp -m multiport --dports 80,443 -j RETURN`},
		{name: "address without a mask", spec: `-s 192.0.2.1 -j RETURN`, want: `-s 192.0.2.1/32 -j RETURN`},
		{name: "address with host bits", spec: `-d 192.0.2.1/8 -j RETURN`, want: `-d 192.0.0.0/8 -j RETURN`},
		{name: "every address", spec: `-s 0.0.0.0/0 -d 0.0.0.0/0 -j RETURN`, want: `-j RETURN`},
		{name: "IPv6 address", spec: `-s fd00::1/128 -j RETURN`, want: `-s fd00::1/128 -j RETURN`, family: plan.IPv6},
		{name: "id range", spec: `-m owner --uid-owner 5-9 --gid-owner 7 -j RETURN`, want: `-m owner --uid-owner 5-9 -m owner --gid-owner 7 -j RETURN`},
		{name: "stamp", spec: `-p tcp -m comment --comment "shunt/redirect-inbound v=1 plan=2" -j REDIRECT --to-ports 1`, want: `-p tcp -m comment --comment "shunt/redirect-inbound" -j REDIRECT --to-ports 1`},
		{name: "escapes in somebody's comment", spec: `-m comment --comment "it\'s \"odd\" \\ a/b" -j RETURN`, want: `-m comment --comment "it\'s \"odd\" \\ a/b" -j RETURN`},
		{name: "comment that needs no quotes", spec: `-m comment --comment none -j RETURN`, want: `-m comment --comment none -j RETURN`},
		{name: "empty comment", spec: `-m comment --comment "" -j RETURN`, want: `-m comment --comment "" -j RETURN`},
		{name: "comment that reads like an option", spec: `-m comment --comment -j -j RETURN`, want: `-m comment --comment -j -j RETURN`},
		{name: "redirect to its own port", spec: `-p tcp -j REDIRECT`, want: `-p tcp -j REDIRECT`},
		{name: "jump within our chains", spec: `-j PROXY_INIT_OUTPUT`, want: `-j PROXY_INIT_OUTPUT`},
		{name: "blanks", spec: `  -o  lo   -j RETURN `, want: `-o lo -j RETURN`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.family == plan.Any {
				test.family = plan.IPv4
			}
			got := parseRule(test.spec, test.family, nil)
			if got.NotUnderstood != "" {
				t.Fatalf("not understood: %s", got.NotUnderstood)
			}
			if line := lineOf(got); line != test.want {
				t.Errorf("%s\nwant:\n%s", line, test.want)
			}
			if again := parseRule(lineOf(got), test.family, nil); !again.Equal(got) {
				t.Errorf("reads back as %s", lineOf(again))
			}
		})
	}
}

func TestParseRuleKeepsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, spec, kept string }{
		{"negated protocol", `! -p tcp -j RETURN`, `! -p tcp`},
		{"negated address", `! -s 10.0.0.0/8 -p tcp -j RETURN`, `! -s 10.0.0.0/8`},
		{"negation in the old place", `-s ! 10.0.0.0/8 -j RETURN`, `! 10.0.0.0/8`},
		{"negated ports", `-p tcp -m multiport ! --dports 80 -j RETURN`, `! --dports 80`},
		{"input interface", `-i eth0 -j RETURN`, `-i eth0`},
		{"interface pattern", `-o eth+ -j RETURN`, `-o eth+`},
		{"other protocol", `-p udp -m udp --dport 53 -j RETURN`, `-p udp -m udp`},
		{"source ports", `-p tcp -m multiport --sports 80 -j RETURN`, `--sports 80`},
		{"both ports", `-p tcp -m multiport --ports 80 -j RETURN`, `--ports 80`},
		{"other target", `-p tcp -j DNAT --to-destination 192.0.2.1:80`, `-j DNAT --to-destination 192.0.2.1:80`},
		{"accept", `-j ACCEPT`, `-j ACCEPT`},
		{"goto", `-g PROXY_INIT_OUTPUT`, `-g PROXY_INIT_OUTPUT`},
		{"redirect to a range", `-p tcp -j REDIRECT --to-ports 80-90`, `--to-ports 80-90`},
		{"random redirect", `-p tcp -j REDIRECT --to-ports 80 --random`, `--random`},
		{"port of no redirect", `--to-ports 80 -j RETURN`, `--to-ports 80`},
		{"two targets", `-j RETURN -j REDIRECT`, `-j REDIRECT`},
		{"two port lists", `-p tcp -m tcp --dport 80 -m multiport --dports 80,443 -j RETURN`, `--dports 80,443`},
		{"port out of range", `-p tcp -m tcp --dport 65536 -j RETURN`, `--dport 65536`},
		{"port that overflows", `-p tcp -m tcp --dport 4294967376 -j RETURN`, `--dport 4294967376`},
		{"port by name", `-p tcp -m tcp --dport http -j RETURN`, `--dport http`},
		{"range backwards", `-p tcp -m tcp --dport 90:80 -j RETURN`, `--dport 90:80`},
		{"empty port list", `-p tcp -m multiport --dports  -j RETURN`, `--dports -j RETURN`},
		{"trailing comma", `-p tcp -m multiport --dports 80, -j RETURN`, `--dports 80,`},
		{"mask with holes", `-s 10.0.0.1/255.0.255.0 -j RETURN`, `-s 10.0.0.1/255.0.255.0`},
		{"address of the other family", `-s fd00::/8 -j RETURN`, `-s fd00::/8`},
		{"two addresses", `-s 10.0.0.0/8 -s 10.0.0.0/9 -j RETURN`, `-s 10.0.0.0/9`},
		{"owner by name", `-m owner --uid-owner root -j RETURN`, `--uid-owner root`},
		{"other address type", `-m addrtype --dst-type BROADCAST -j RETURN`, `--dst-type BROADCAST`},
		{"other extension", `-m conntrack --ctstate NEW -j RETURN`, `-m conntrack --ctstate NEW`},
		{"second comment", `-m comment --comment a -m comment --comment b -j RETURN`, `--comment b`},
		{"option in quotes", `"-j" RETURN`, `"-j" RETURN`},
		{"unknown data of a newer version", `-m foo [12 bytes of unknown match data] -j RETURN`, `-m foo [12 bytes of unknown match data]`},
		{"option without its value", `-p`, `-p`},
		{"quote without an end", `-m comment --comment "abc`, `(no target)`},
		{"rule that only counts", `-p tcp`, `(no target)`},
		{"chain of others", `-j MINE`, `-j MINE`},
		{"target after another", `-j MINE -j RETURN`, `-j MINE -j RETURN`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := parseRule(test.spec, plan.IPv4, nil)
			if kept := r.NotUnderstood + r.Other; !strings.Contains(kept, test.kept) {
				t.Errorf("kept %q, want %q in it", kept, test.kept)
			}
			for _, want := range everyPlannedRule() {
				if r.Equal(want) {
					t.Errorf("equals a rule of ours: %s", lineOf(want))
				}
			}
		})
	}
}

// everyPlannedRule returns all rules that some plan of the tests has in IPv4.
func everyPlannedRule() (rules []apply.Rule) {
	for _, p := range []plan.Plan{standard(), everything()} {
		for _, s := range planned(apply.Desired{Plan: p})[0].sections(plan.IPv4) {
			rules = append(rules, s.Rules...)
		}
	}
	return rules
}
