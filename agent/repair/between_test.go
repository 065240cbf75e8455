package repair

import (
	"context"
	"testing"

	"shunt/netns/netnstest"
	"shunt/pods"
)

func TestAPodMadeAgainUnderItsNameBetweenLookAndActIsNotTouched(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	for name, change := range map[string]func(*Pod){"blocked": func(*Pod) {}, "running": func(p *Pod) { p.Started = true }} {
		n := newNode(t, func(c *Config) { c.Evict = true })
		n.mount("cni-pod", top.Pod)
		p := meshed("web-0", "1", top.Pod.IPv4)
		change(&p)
		// The API server has the next one, with the same name, which the watch
		// has not told yet.
		n.api["2"] = meshed("web-0", "2", top.Pod.IPv4)
		n.See(p)
		saying := "shop/web-0 RulesMissing"
		if p.Started {
			saying = ""
		}
		n.comesTo(map[State]int{}, saying)
		if text := live(t, top.Pod); text != "" {
			t.Errorf("%s: rules were written:\n%s", name, text)
		}
		if n.counts("repairs_total", gone)+n.counts("evictions_total", gone) != 1 {
			t.Errorf("%s: the metrics do not say so", name)
		}
	}
}

func TestAnApplicationThatStartsBetweenLookAndActIsNotTouched(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t)
	n.mount("cni-pod", top.Pod)
	p := meshed("web", "1", top.Pod.IPv4)
	now := p
	now.Started = true
	n.api["1"] = now
	n.See(p)
	n.comesTo(map[State]int{Running: 1}, "shop/web RulesMissing, shop/web RulesMissing")
	if text := live(t, top.Pod); text != "" {
		t.Errorf("rules were written:\n%s", text)
	}
}

// leaving is an API server that says what a pod was, of which the watch says
// meanwhile that it is gone.
type leaving struct{ *node }

func (l leaving) Fresh(ctx context.Context, id pods.ID) (Pod, error) {
	p, err := l.node.Fresh(ctx, id)
	l.Gone(id.UID)
	return p, err
}

func TestAPodThatGoesWhileItIsAskedForDoesNotComeBack(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	n := newNode(t, func(c *Config) { c.Cluster = leaving{c.Cluster.(*node)} })
	n.mount("cni-pod", top.Pod)
	p := meshed("web", "1", top.Pod.IPv4)
	now := p
	now.Started = true
	n.api["1"] = now
	n.See(p)
	n.comesTo(map[State]int{}, "shop/web RulesMissing")
	// Its address is another's now.
	next := meshed("next", "2", top.Pod.IPv4)
	next.Started = true
	n.has(next)
	n.comesTo(map[State]int{Running: 1}, "shop/web RulesMissing, shop/next RulesMissing")
}
