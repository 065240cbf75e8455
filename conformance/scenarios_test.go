package conformance

import (
	"slices"
	"testing"

	"shunt/netns/netnstest"
)

// scenario is one thing that shunt promises, and the connections that show it.
type scenario struct {
	name   string
	reason string   // why it matters
	flags  []string // of `shunt init`
	flows  flows
	run    func(*stage, flows) // what happens; nil: the rules are applied, and the flows made
}

// scenarios returns all of them. One is an entry of a table in one of the
// files scenarios_*_test.go.
func scenarios() []scenario {
	return slices.Concat(portScenarios(), ownerScenarios(), subnetScenarios(), placeScenarios(),
		runScenarios(), foreignScenarios(), leftoverScenarios())
}

// TestScenarios plays every scenario on every backend, with IPv6 on and off,
// each in a pod of its own.
func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, sc := range scenarios() {
		figures.add("scenarios", 1)
		figures.line("%-36s %s", sc.name, sc.reason)
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range variants() {
				for _, ipv6 := range []bool{true, false} {
					name := v.name
					if !ipv6 {
						name += " without IPv6"
					}
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						sc.play(t, v, ipv6)
						figures.add("runs of scenarios", 1)
					})
				}
			}
		})
	}
}

func (sc scenario) play(t *testing.T, v variant, ipv6 bool) {
	s := newStage(t, v, ipv6, sc.flags...)
	netnstest.StartProxy(t, s.Pod, inboundPort, outboundPort)
	if sc.run != nil {
		sc.run(s, sc.flows)
		return
	}
	s.settle(sc.flows)
}

// settle applies the stage's rules and checks that they, and no others, are
// there, and do with the flows what they should.
func (s *stage) settle(fs flows) report {
	s.Helper()
	rep := s.init()
	if rep.Backend != s.name {
		s.Errorf("init chose %s, asked for was %s", rep.Backend, s.name)
	}
	s.sole(s.name)
	s.check(fs)
	s.diff()
	return rep
}
