package install

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/containernetworking/cni/libcni"
)

// Config says what to install, and where. Paths are as this process sees them.
type Config struct {
	NetDir     string // where the runtime looks for network configurations
	BinDir     string // where it looks for plugins
	Plugin     string // the plugin's binary
	Entry      Entry
	Mode       Mode
	ConfName   string // the file to use; "" for the runtime's choice
	Kubeconfig string // the name in NetDir of the kubeconfig of Linkerd's installer, which is deleted
	Force      bool   // link although the runtime is known to pass no annotations
}

// Installer installs on one node. Its methods may be called by several
// goroutines.
type Installer struct {
	cfg  Config
	log  *slog.Logger
	disk disk
	told told

	mu      sync.Mutex
	bin     binary
	started int64
	dropins string               // the folder of the network's drop-ins
	claimed bool                 // the record says that this agent keeps the node
	invalid map[string]time.Time // files that are not valid, and since when
}

// New returns an installer. Of several on one node, the one that was made last
// decides.
func New(cfg Config, log *slog.Logger) *Installer {
	return &Installer{cfg: cfg, log: log, started: time.Now().UnixNano(), invalid: map[string]time.Time{},
		bin: binary{source: cfg.Plugin, dest: filepath.Join(cfg.BinDir, cfg.Entry.Type)}}
}

// pass is one Sync.
type pass struct {
	*Installer
	now
	Status
	was    record // what the record said when the pass began
	record record // what it says now
	had    bool   // there is one
	choice choice
	list   conflist
	dropin string // <network>/50-shunt.conf, in mode dropin
}

// Sync brings the node to what the configuration says, one step after the
// other, and verifies it. The Status is right as far as it got, also with an
// error, which is a *StepError. The state Waiting is no error.
func (i *Installer) Sync() (Status, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := &pass{Installer: i, Status: Status{State: Waiting}}
	for _, step := range []struct {
		name string
		do   func() error
	}{{"resolve", p.resolve}, {"refuse", p.refuse}, {"copy", p.copy}, {"record", p.intend}, {"link", p.link}, {"verify", p.verify}, {"clean", p.clean}} {
		if err := step.do(); errors.Is(err, errEnough) {
			break
		} else if err != nil {
			return p.Status, &StepError{step.name, err}
		}
	}
	return p.Status, nil
}

// errEnough ends a pass early: there is nothing to do.
var errEnough = errors.New("nothing more to do")

func (p *pass) changed(a Action, path string, r Reason) {
	p.Changes = append(p.Changes, Change{a, path, r})
}

// refuse takes the entry out, or does not put it in, where it would stop pods:
// neither the runtime nor an agent says which are meshed. While the agent is about
// to know, an entry that is there stays.
func (p *pass) refuse() error {
	why := cmp.Or(p.runtime.withholds(), p.choice.withholds())
	switch {
	case why == "" || p.cfg.Force || p.facts == FactsServed || p.facts == FactsLater && p.had:
		return nil
	case p.facts == FactsLater:
		p.Why = why + "; the agent does not know the pods yet either"
		return errEnough
	}
	p.State, p.Why = Refused, why
	if p.had && !p.Newer {
		if err := p.takeOut(Unsafe); err != nil {
			return err
		}
	}
	return errEnough
}

// copy brings the binary, always before an entry that names it: an entry
// without its binary stops every pod.
func (p *pass) copy() error {
	want, present, same, err := p.bin.state()
	if err != nil {
		return err
	}
	if same || p.Newer && present {
		return nil
	}
	if err := p.bin.copy(p.disk); err != nil {
		return err
	}
	reason := First
	switch {
	case p.had && !present:
		reason = Lost
	case p.had && p.record.SHA256 == want:
		reason = Altered
	case present:
		reason = Updated
	}
	p.changed(Copied, p.bin.dest, reason)
	return nil
}

// intend writes down what is about to be installed, beside what was.
func (p *pass) intend() error {
	if p.Newer {
		return nil
	}
	want, _, _, err := p.bin.state()
	if err != nil {
		return err
	}
	next := p.record
	next.IgnoresDropins = p.ignores
	next.Version, next.Mode, next.Started, next.Entry = 1, p.Mode, p.started, p.cfg.Entry.JSON
	next.Binary, next.SHA256 = p.cfg.Entry.Type, want
	if p.Mode == Dropin {
		if !slices.Contains(next.Dropins, p.dropin) {
			next.Dropins = append(slices.Clone(next.Dropins), p.dropin)
		}
	} else {
		l := listRecord{File: stem(p.File) + ".conflist"}
		if !p.choice.List {
			if _, err := os.Stat(filepath.Join(p.cfg.NetDir, l.File)); err == nil && p.record.list(l.File) == nil {
				return fmt.Errorf("%w: %s has to become %s, which exists and is not shunt's: remove the one that is not in use", ErrAmbiguous, p.File, l.File)
			}
			l.Original = &original{File: p.File, Data: p.choice.data, meta: p.choice.meta}
		}
		next = next.withList(l)
	}
	return p.keep(next)
}

// keep writes the record, if it says anything new. Where only the agent is
// new, a record that cannot be written matters to other agents only.
func (p *pass) keep(next record) error {
	claim := p.record
	claim.Started = next.Started
	same := p.had && sameJSON(mustJSON(next), mustJSON(claim))
	if same && p.claimed {
		return nil
	}
	if err := p.disk.writeRecord(p.cfg.NetDir, &next); err != nil {
		if same {
			p.log.Debug("the record does not name this agent", "err", err)
			return nil
		}
		return err
	}
	p.record, p.had, p.claimed = next, true, true
	return nil
}

// ErrLost says that what was just written is gone.
var ErrLost = errors.New("what was just written is gone: another program writes the same file")

// verify reads everything again, as the runtime does.
func (p *pass) verify() error {
	ours := p.cfg.Entry.ours()
	files, err := scan(p.cfg.NetDir, ours)
	if err != nil {
		return err
	}
	now, err := choose(files, p.cfg.ConfName, func(string) bool { return false })
	if err != nil {
		return err
	}
	if now.File != p.File || now.Network != p.Network {
		return fmt.Errorf("%w: the network in use is now %s of %s", ErrLost, now.Network, now.File)
	}
	path := filepath.Join(p.cfg.NetDir, now.File)
	list, err := libcni.NetworkConfFromFile(path)
	if err != nil {
		return fmt.Errorf("load %s as a runtime does: %w", path, err)
	}
	if !slices.ContainsFunc(list.Plugins, func(c *libcni.PluginConfig) bool { return slices.Contains(ours, c.Network.Type) }) {
		return fmt.Errorf("%s: %w", path, ErrLost)
	}
	_, present, same, err := p.bin.state()
	if err != nil {
		return err
	}
	if !same && !(p.Newer && present) {
		return fmt.Errorf("%s: %w", p.bin.dest, ErrLost)
	}
	p.State = Linked
	return nil
}
