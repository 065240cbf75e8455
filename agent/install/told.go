package install

import "sync"

// told is what others say about the node. It has a lock of its own: who says it, as
// a watch of the API server does, does not wait for a Sync, which waits for disks.
type told struct {
	mu sync.Mutex
	now
}

// now is what a Sync goes by.
type now struct {
	runtime Runtime
	facts   Facts
	ignores Runtime // the runtime that was seen not to load drop-ins
}

// Facts says whether plugins on this node can ask an agent about pods.
type Facts int

// Whether they can.
const (
	FactsNone  Facts = iota
	FactsLater       // the agent has yet to hear of the pods
	FactsServed
)

// SetFacts says whether plugins can ask about pods. It counts from the next Sync.
func (i *Installer) SetFacts(f Facts) {
	i.told.mu.Lock()
	defer i.told.mu.Unlock()
	i.told.facts = f
}

// SetRuntime says which container runtime the node has, and returns whether
// that is new. It counts from the next Sync.
func (i *Installer) SetRuntime(r Runtime) bool {
	i.told.mu.Lock()
	defer i.told.mu.Unlock()
	changed := i.told.runtime != r
	i.told.runtime = r
	return changed
}

// IgnoresDropins says that the container runtime was seen not to load a drop-in,
// and returns whether that changes the mode: it does in mode auto, for good as long
// as the node has this version of the runtime. It counts from the next Sync.
func (i *Installer) IgnoresDropins() bool {
	i.told.mu.Lock()
	defer i.told.mu.Unlock()
	t := &i.told
	if i.cfg.Mode != Auto || !t.runtime.readsDropins() || t.ignores == t.runtime {
		return false
	}
	t.ignores = t.runtime
	return true
}

// recall returns what is known now. Which runtime ignores drop-ins, an agent before
// this one may have seen.
func (t *told) recall(ignores Runtime) now {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ignores == "" {
		t.ignores = ignores
	}
	return t.now
}
