package repair

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// State is what is known about a pod's rules.
type State string

// The states, as the metric has them.
const (
	Unknown  State = "unknown"         // not looked at yet, or it cannot be told
	Ruled    State = "ruled"           // its rules are those of the plan
	Outdated State = "outdated"        // complete, of another plan or version
	Blocked  State = "unruled_blocked" // without its rules, and its application has not started
	Running  State = "unruled_running" // without its rules, and running
)

func states() []State { return []State{Ruled, Outdated, Blocked, Running, Unknown} }

// entry is what is remembered about a pod.
type entry struct {
	pod   Pod
	since time.Time // it could be looked at
	state State
	place Place // where it was found to have its rules
	tries int   // lookups and repairs that failed in a row
	told  Note  // last
}

// settled reports whether nothing about the pod's rules has to be looked at again:
// they were complete, and the pod is in the same network namespace.
func (e *entry) settled() bool {
	return (e.state == Ruled || e.state == Outdated) && e.place.Still()
}

// table holds the pods that are to have rules, by uid, and the addresses of all
// pods of the node.
type table struct {
	mu     sync.Mutex
	pods   map[string]*entry
	claims map[string]Pod
}

// claim keeps a pod's addresses, as its status has them.
func (t *table) claim(p Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.HostNetwork || p.Over {
		delete(t.claims, p.UID) // it has none of its own, or gives them back
		return
	}
	t.claims[p.UID] = p
}

// other returns another pod that has one of a pod's addresses: one of the two is
// out of date, and nobody can tell which.
func (t *table) other(p Pod) (other Pod, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, c := range t.claims {
		if uid != p.UID && slices.ContainsFunc(p.IPs, func(a netip.Addr) bool { return slices.Contains(c.IPs, a) }) {
			return c, true
		}
	}
	return Pod{}, false
}

// release forgets a pod's addresses.
func (t *table) release(uid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.claims, uid)
}

func (t *table) put(p Pod) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.pods[p.UID]
	switch {
	case e == nil:
		t.pods[p.UID] = &entry{pod: p, since: time.Now(), state: Unknown}
		return
	case !slices.Equal(e.pod.IPs, p.IPs): // in another sandbox
		e.state, e.tries = Unknown, 0
	}
	e.pod = p
}

func (t *table) drop(uid string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pods, uid)
}

// get returns what is remembered of a pod.
func (t *table) get(uid string) (entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.pods[uid]
	if e == nil {
		return entry{}, false
	}
	return *e, true
}

// change changes what is remembered of a pod, if it is still there.
func (t *table) change(uid string, f func(*entry)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.pods[uid]; e != nil {
		f(e)
	}
}

func (t *table) count() map[State]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := map[State]int{}
	for _, e := range t.pods {
		n[e.state]++
	}
	return n
}
