package repair

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"shunt/netns"
)

// Locator finds pods' network namespaces by their addresses. Its methods may be
// called by several goroutines.
type Locator struct {
	// Folder is where the container runtime keeps the namespaces' files:
	// /run/netns for containerd and CRI-O.
	Folder string

	// Proc, if not empty, is the node's /proc: a namespace that is not in the
	// folder is looked for there, by the cgroups of the pod's processes.
	Proc string

	mu   sync.Mutex
	seen map[string][]netip.Addr // addresses, by path: a runtime gives each sandbox a new one
}

// Place is where a pod's namespace was found.
type Place struct {
	path     string
	dev, ino uint64
}

// Still reports whether the same namespace is still there.
func (p Place) Still() bool {
	var st unix.Stat_t
	return p.path != "" && unix.Stat(p.path, &st) == nil && st.Dev == p.dev && st.Ino == p.ino
}

// Why a namespace is not found.
var (
	ErrNotFound  = errors.New("no network namespace has the pod's addresses")
	ErrAmbiguous = errors.New("more than one network namespace has the pod's addresses")
)

// mostAddresses is how many addresses of a namespace are read: more than any
// network plugin gives a pod.
const mostAddresses = 1024

// Find opens the one namespace that has all of these addresses, as of this moment.
// The host's own and the caller's are none. The uid is the pod's.
func (l *Locator) Find(uid string, ips []netip.Addr) (*netns.NS, Place, error) {
	if len(ips) == 0 {
		return nil, Place{}, errors.New("the pod has no address yet")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	paths, err := l.paths()
	if err != nil {
		return nil, Place{}, err
	}
	ns, place, err := l.only(paths, ips)
	if errors.Is(err, ErrNotFound) {
		l.seen = nil // a path may be another namespace's by now
		ns, place, err = l.only(paths, ips)
	}
	if !errors.Is(err, ErrNotFound) || l.Proc == "" {
		return ns, place, err
	}
	if paths, err = processes(l.Proc, uid); err != nil {
		return nil, Place{}, err
	}
	return l.only(paths, ips)
}

// paths returns the files in the folder, and forgets those that are gone.
func (l *Locator) paths() ([]string, error) {
	entries, err := os.ReadDir(l.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for network namespaces: %w", err)
	}
	paths, seen := make([]string, 0, len(entries)), make(map[string][]netip.Addr, len(entries))
	for _, e := range entries {
		path := filepath.Join(l.Folder, e.Name())
		paths = append(paths, path)
		if known, ok := l.seen[path]; ok {
			seen[path] = known
		}
	}
	l.seen = seen
	return paths, nil
}

// only opens the one namespace among these files that has all of the addresses.
func (l *Locator) only(paths []string, ips []netip.Addr) (found *netns.NS, at Place, err error) {
	own, err := netns.Current()
	if err != nil {
		return nil, at, err
	}
	defer own.Close()
	for _, path := range paths {
		if !l.mayHave(path, ips) {
			continue
		}
		ns, place, has := look(path, own, ips)
		switch {
		case !has:
		case found != nil && ns.Same(found): // another file of the same
			_ = ns.Close()
		case found != nil:
			_, _ = ns.Close(), found.Close()
			return nil, Place{}, fmt.Errorf("%w: %s and %s", ErrAmbiguous, at.path, path)
		default:
			found, at = ns, place
		}
	}
	if found == nil {
		return nil, at, fmt.Errorf("%w: looked in %s", ErrNotFound, l.Folder)
	}
	return found, at, nil
}

// mayHave reports whether the namespace of a file had all of the addresses when
// they were last read. They are read again as long as there are none or only some
// of these: a network plugin may be at work.
func (l *Locator) mayHave(path string, ips []netip.Addr) bool {
	addresses := l.seen[path]
	if len(addresses) == 0 || some(addresses, ips) {
		addresses = addressesOf(path)
		if l.seen == nil {
			l.seen = map[string][]netip.Addr{}
		}
		l.seen[path] = addresses
	}
	return all(addresses, ips)
}

// look opens a namespace and makes sure that it is a pod's and has the addresses
// now.
func look(path string, own *netns.NS, ips []netip.Addr) (ns *netns.NS, at Place, has bool) {
	ns, err := netns.Open(path)
	if err != nil {
		return nil, at, false
	}
	host, _ := ns.IsHost() // what cannot be told is told by the agent's own, which has the host's network
	if host || ns.Same(own) || !all(within(ns), ips) {
		_ = ns.Close()
		return nil, at, false
	}
	var st unix.Stat_t
	if err := unix.Fstat(ns.FD(), &st); err != nil {
		_ = ns.Close()
		return nil, at, false
	}
	return ns, Place{path: path, dev: st.Dev, ino: st.Ino}, true
}

// addressesOf returns the addresses of a file's namespace, none where that cannot
// be told: a file that a deleted namespace left is none.
func addressesOf(path string) []netip.Addr {
	ns, err := netns.Open(path)
	if err != nil {
		return nil
	}
	defer ns.Close()
	return within(ns)
}

func within(ns *netns.NS) (list []netip.Addr) {
	_ = ns.Do(func() (err error) { list, err = netns.Addresses(mostAddresses); return err })
	return list
}

func all(have, want []netip.Addr) bool {
	return !slices.ContainsFunc(want, func(a netip.Addr) bool { return !slices.Contains(have, a) })
}

// some reports whether some of the addresses are there and others are not.
func some(have, want []netip.Addr) bool {
	return !all(have, want) && slices.ContainsFunc(want, func(a netip.Addr) bool { return slices.Contains(have, a) })
}
