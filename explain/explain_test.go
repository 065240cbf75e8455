package explain

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"shunt/config"
	"shunt/plan"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// configured returns the standard configuration with settings.
func configured(t *testing.T, settings ...string) *config.Config {
	t.Helper()
	c := config.Standard()
	for _, text := range settings {
		name, value, _ := strings.Cut(text, "=")
		s, ok := config.Find(config.Settings(), name)
		if !ok {
			t.Fatalf("no setting %s", name)
		}
		if err := s.Set(&c, config.Value{Source: config.Source("flag --" + name), Text: value}); err != nil {
			t.Fatal(err)
		}
	}
	return &c
}

func TestExplanations(t *testing.T) {
	t.Parallel()
	in := func(from string, port uint16) *Question {
		q := &Question{Port: port}
		if from != "" {
			q.From = addr(from)
		}
		return q
	}
	out := func(uid uint32, to string, port uint16) *Question {
		return &Question{Direction: plan.Outbound, UID: uid, To: addr(to), Port: port}
	}
	forwarded := func(from, to string, port uint16) *Question {
		return &Question{From: addr(from), To: addr(to), Port: port}
	}
	for _, tt := range []struct {
		name     string
		q        *Question
		settings []string
		verdict  string
		why      string   // how it begins
		lands    string   // how it begins
		changes  []string // "setting, do, then"; with " +" those that go together
		hint     string   // part of one
	}{
		{"what most outbound connections meet", out(1000, "10.0.0.5", 80), nil,
			"redirect to :4140", "rule 4, redirect-outbound: ", "127.0.0.1:4140, the proxy's, ",
			[]string{"skip-outbound-ports, with 80, bypass", "skip-outbound-subnets, with 10.0.0.5, bypass", "skip-outbound-uids, with 1000, bypass"}, "use the Service's port, not the container's"},
		{"over IPv6", out(1000, "fd00::5", 80), []string{"ipv6=true"},
			"redirect to :4140", "rule 4, redirect-outbound: ", "[::1]:4140, the proxy's, ",
			[]string{"skip-outbound-ports, with 80, bypass", "skip-outbound-subnets, with fd00::5, bypass", "skip-outbound-uids, with 1000, bypass"}, "without it on lo they time out"},
		{"a skipped port", out(1000, "10.0.0.5", 3306), []string{"skip-outbound-ports=3300-3310"},
			"bypass", "rule 3, skip-outbound-ports: connections to these ports go to their destination directly", "10.0.0.5:3306, where it was going",
			[]string{"skip-outbound-ports, without 3306, redirect to :4140"}, "use the Service's port, not the container's"},
		{"the proxy itself", out(2102, "10.0.0.5", 80), nil,
			"bypass", "rule 1, proxy-uid: ", "10.0.0.5:80, where it was going", []string{"proxy-uid, with another id, redirect to :4140"}, "redirected, it would loop back to the proxy forever"},
		{"localhost", out(0, "127.0.0.1", 80), nil,
			"bypass", "rule 2, loopback: ", "127.0.0.1:80, where it was going", nil, "are never redirected"},
		{"the pod's own address", &Question{Direction: plan.Outbound, From: addr("10.1.1.1"), To: addr("10.1.1.1"), Port: 80}, nil,
			"bypass", "rule 2, loopback: ", "10.1.1.1:80, where it was going", nil, "are never redirected"},
		{"nowhere, which is localhost", out(0, "::", 80), []string{"ipv6=true"},
			"bypass", "rule 2, loopback: ", "[::]:80, where it was going", nil, ""},
		{"skipped twice", out(1000, "10.0.0.5", 80), []string{"skip-outbound-ports=80", "skip-outbound-subnets=10.0.0.0/8"},
			"bypass", "rule 3, skip-outbound-ports: ", "10.0.0.5:80, where it was going",
			[]string{"skip-outbound-ports, without 80, redirect to :4140 +", "skip-outbound-subnets, without 10.0.0.5, redirect to :4140 +"}, ""},
		{"a skipped user", out(1500, "10.0.0.5", 80), []string{"skip-outbound-uids=1000-1999"},
			"bypass", "rule 2, skip-outbound-uids: ", "10.0.0.5:80, where it was going", []string{"skip-outbound-uids, without 1500, redirect to :4140"}, ""},
		{"the proxy's group", &Question{Direction: plan.Outbound, GID: 7, To: addr("10.0.0.5"), Port: 80}, []string{"proxy-gid=7"},
			"bypass", "rule 2, proxy-gid: ", "10.0.0.5:80, where it was going", []string{"proxy-gid, with another id, redirect to :4140"}, ""},
		{"UDP", &Question{Direction: plan.Outbound, UDP: true, To: addr("10.0.0.5"), Port: 53}, nil,
			"bypass", "only TCP is redirected", "10.0.0.5:53, where it was going", nil, ""},
		{"IPv6 that is not touched", out(1000, "fd00::5", 80), nil,
			"bypass", "IPv6 is not redirected: ipv6 is false", "[fd00::5]:80, where it was going", []string{"ipv6, with true, redirect to :4140"}, ""},
		{"IPv6 that is not touched, and skipped", out(1000, "fd00::5", 80), []string{"skip-outbound-ports=80"},
			"bypass", "IPv6 is not redirected: ipv6 is false", "[fd00::5]:80, where it was going",
			[]string{"skip-outbound-ports, without 80, redirect to :4140 +", "ipv6, with true, redirect to :4140 +"}, ""},
		{"what most inbound connections meet", in("10.1.2.3", 8080), nil,
			"redirect to :4143", "rule 2, redirect-inbound: ", "port 4143 on the address of the interface that it came in by, the proxy's, ",
			[]string{"skip-inbound-ports, with 8080, bypass", "skip-subnets, with 10.1.2.3, bypass"}, "without an IPv4 address the connection times out"},
		{"from anywhere", in("", 8080), nil,
			"redirect to :4143", "rule 2, redirect-inbound: ", "port 4143", []string{"skip-inbound-ports, with 8080, bypass"}, "unless inbound-local-only is true"},
		{"a skipped inbound port", in("fd00::1", 4190), []string{"ipv6=true"},
			"bypass", "rule 1, skip-inbound-ports: ", "the pod's port 4190, without the proxy", []string{"skip-inbound-ports, without 4190, redirect to :4143"}, "before Linkerd 2.18"},
		{"a skipped subnet", in("10.1.2.3", 80), []string{"skip-subnets=10.0.0.0/8,192.168.0.0/16"},
			"bypass", "rule 2, skip-subnets: ", "the pod's port 80, without the proxy", []string{"skip-subnets, without 10.1.2.3, redirect to :4143"}, ""},
		{"a port that is not on the list", in("10.1.2.3", 80), []string{"ports-to-redirect=8080"},
			"bypass", "no rule matches, so the connection bypasses the proxy", "the pod's port 80, without the proxy", []string{"ports-to-redirect, with 80, redirect to :4143"}, ""},
		{"a port on the list", in("10.1.2.3", 80), []string{"ports-to-redirect=80,8080"},
			"redirect to :4143", "rule 2, redirect-inbound: inbound connections to the listed ports", "port 4143",
			[]string{"ports-to-redirect, without 80, bypass", "skip-inbound-ports, with 80, bypass", "skip-subnets, with 10.1.2.3, bypass"}, ""},
		{"the only port on the list", in("10.1.2.3", 80), []string{"ports-to-redirect=80"},
			"redirect to :4143", "rule 2", "port 4143", []string{"skip-inbound-ports, with 80, bypass", "skip-subnets, with 10.1.2.3, bypass"}, ""},
		{"what the pod forwards", forwarded("10.1.2.3", "172.17.0.2", 80), nil,
			"redirect to :4143", "rule 2, redirect-inbound: ", "port 4143",
			[]string{"skip-inbound-ports, with 80, bypass", "skip-subnets, with 10.1.2.3, bypass", "inbound-local-only, with true, bypass"}, "docker-in-docker"},
		{"what the pod forwards, left alone", forwarded("10.1.2.3", "172.17.0.2", 80), []string{"inbound-local-only=true"},
			"bypass", "no rule matches: with inbound-local-only, forwarded connections are not redirected", "172.17.0.2:80, without the proxy", []string{"inbound-local-only, with false, redirect to :4143"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := configured(t, tt.settings...)
			e := Plan(tt.q, c)
			if got := verdict(e.Verdict); got != tt.verdict {
				t.Errorf("verdict %s, want %s", got, tt.verdict)
			}
			if !strings.HasPrefix(e.Why, tt.why) {
				t.Errorf("why: %s", e.Why)
			}
			if !strings.HasPrefix(e.Lands, tt.lands) {
				t.Errorf("lands on %s", e.Lands)
			}
			var got []string
			for _, ch := range e.Changes {
				s := ch.Setting + ", " + ch.Do + ", " + verdict(ch.Then)
				if ch.Together {
					s += " +"
				}
				got = append(got, s)
				if ch.Source != c.Sources.Of(ch.Setting) {
					t.Errorf("%s comes from %s", ch.Setting, ch.Source)
				}
			}
			if !slices.Equal(got, tt.changes) {
				t.Errorf("changes\n got %q\nwant %q", got, tt.changes)
			}
			if !strings.Contains(strings.Join(e.Hints, "\n"), tt.hint) {
				t.Errorf("hints %q", e.Hints)
			}
		})
	}
}

// anyFlow asks about one of a few addresses, ports and users, so that they are
// often on one of anyConfig's lists.
func anyFlow(r *rand.Rand) *Question {
	addrs := []string{"10.0.0.1", "10.1.0.1", "192.168.0.1", "127.0.0.1", "fd00::1", "fd01::1", "::1"}
	one := func() netip.Addr { return addr(addrs[r.IntN(len(addrs))]) }
	q := &Question{
		Direction: plan.Direction(r.IntN(2)), UDP: r.IntN(8) == 0,
		To: one(), Port: uint16(79 + r.IntN(5)), UID: uint32(r.IntN(4)), GID: uint32(r.IntN(3)),
	}
	switch q.From = one(); {
	case q.From.Is4() != q.To.Is4():
		q.From = netip.Addr{}
	case q.Direction == plan.Inbound && r.IntN(3) > 0:
		q.To = netip.Addr{}
	}
	return q
}

func anyConfig(t *testing.T, r *rand.Rand) *config.Config {
	settings := []string{fmt.Sprintf("proxy-uid=%d", r.IntN(3))}
	for _, list := range [][]string{
		{"proxy-gid", "1", "0"},
		{"skip-inbound-ports", "80", "80-82", "", "79,81,83"},
		{"skip-outbound-ports", "81", "80-82", "", "79,81,83"},
		{"skip-subnets", "10.0.0.0/8", "10.1.0.1,fd00::/16", "0.0.0.0/0"},
		{"skip-outbound-subnets", "10.0.0.0/8", "10.1.0.1,fd00::/16", "::/0"},
		{"skip-outbound-uids", "0", "1-3", "2"},
		{"ports-to-redirect", "80", "80-82"},
		{"inbound-local-only", "true"},
		{"ipv6", "false"},
	} {
		if setting, values := list[0], list[1:]; r.IntN(2) == 0 {
			settings = append(settings, setting+"="+values[r.IntN(len(values))])
		}
	}
	return configured(t, settings...)
}

// Whatever is asked, the explanation is plan's decision, its marked rule the
// deciding one, and every change that it offers is carried out here and gives
// what it says.
func TestExplainAgreesWithPlan(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	alone, together := 0, 0
	for range 20000 {
		q, c := anyFlow(r), anyConfig(t, r)
		e, f := Plan(q, c), q.Flow()
		d := plan.Build(*c).Decide(f)
		if got := verdict(e.Verdict); got != d.Verdict.String() {
			t.Fatalf("%s: %s, and plan says %s", q, got, d.Verdict)
		}
		for i, rule := range e.Chains[0].Rules {
			if rule.Decides != (i == d.Index) {
				t.Fatalf("%s: rule %d decides: %t, and plan says %d", q, i, rule.Decides, d.Index)
			}
		}
		all := *c
		for _, ch := range e.Changes {
			value, _, _ := edit(ch.Setting, ch.Value, &f)
			s, _ := config.Find(config.Settings(), ch.Setting)
			changed := c
			if ch.Together {
				changed = &all
			} else {
				one := *c
				changed = &one
			}
			if err := s.Set(changed, config.Value{Text: value}); err != nil {
				t.Fatalf("%s: %s of %q: %v", q, ch.Do, ch.Value, err)
			}
			if ch.Together {
				together++
				continue
			}
			alone++
			if then := plan.Build(*changed).Decide(f).Verdict; then == d.Verdict || then.String() != verdict(ch.Then) {
				t.Fatalf("%s: %s %s makes it %s, not %s", q, ch.Setting, ch.Do, then, verdict(ch.Then))
			}
		}
		if n := len(e.Changes); n > 0 && e.Changes[0].Together {
			if then := plan.Build(all).Decide(f).Verdict; then == d.Verdict || then.String() != verdict(e.Changes[0].Then) {
				t.Fatalf("%s: all changes together make it %s", q, then)
			}
		}
		// What nothing can change is what no rule is about.
		if len(e.Changes) == 0 && f.TCP && d.Verdict.Kind == plan.Redirect && f.Src.IsValid() {
			t.Fatalf("%s: nothing changes %s", q, d.Verdict)
		}
	}
	if alone < 1000 || together < 100 {
		t.Errorf("%d changes alone, %d together: too few to prove anything", alone, together)
	}
}
