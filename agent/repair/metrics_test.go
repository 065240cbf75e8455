package repair

import (
	"testing"

	"shunt/config"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/redirect"
)

// The gauge was set after looks and when a pod was gone, by two goroutines: a pod
// that waited for its look was none, and one that went meanwhile could stay in it.
func TestThePodsThatAreCountedAreThoseThatThereAre(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	var n *node
	looked := make(chan float64, 1)
	n = newNode(t, func(c *Config) {
		c.open = func(*netns.NS, config.Config, redirect.Options) Rules {
			looked <- n.counts("pods", string(Unknown))
			return fakeRules{}
		}
	})
	n.mount("cni-pod", top.Pod)
	n.has(meshed("web", "1", top.Pod.IPv4))
	if waiting := <-looked; waiting != 1 {
		t.Errorf("while it is looked at, %v pods are unknown", waiting)
	}
	n.Gone("1")
	for _, s := range states() {
		if got := n.counts("pods", string(s)); got != 0 {
			t.Errorf("%v pods are %s, and there are none", got, s)
		}
	}
}
