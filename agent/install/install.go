package install

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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

// State is how far the installation is.
type State string

// The states.
const (
	Waiting State = "waiting" // the node has no network yet
	Refused State = "refused" // linked, the entry would stop pods
	Linked  State = "linked"  // installed, and verified
)

// Status is what Sync found and left.
type Status struct {
	State   State
	Mode    Mode
	Why     string   // why this mode; or why it waits or refuses
	File    string   // the conflist in use
	Network string   // its name
	Others  []string // further files that could be the runtime's
	Newer   bool     // a newer agent keeps the node: this one only fills gaps
	Changes []Change // what Sync changed
}

// Change is one thing that was changed on the node.
type Change struct {
	Action Action
	Path   string
	Reason Reason
}

// Action is a kind of change.
type Action string

// The actions.
const (
	Copied    Action = "copied"    // the binary
	Chained   Action = "chained"   // the entry was written, in either mode
	Converted Action = "converted" // a single plugin's file became a conflist
	Unchained Action = "unchained" // an entry was taken out, in either mode
	Removed   Action = "removed"   // a file was
	Restored  Action = "restored"  // the file from before a conversion
)

// Reason is why something was changed.
type Reason string

// The reasons.
const (
	First     Reason = "first"     // it was not there before
	Lost      Reason = "lost"      // somebody took it out
	Altered   Reason = "altered"   // somebody changed it
	Moved     Reason = "moved"     // another file, network or mode
	Updated   Reason = "updated"   // the agent brings another one
	Stale     Reason = "stale"     // it belongs to what was there before
	Uninstall Reason = "uninstall" // it was asked for
	Unsafe    Reason = "unsafe"    // it would stop pods
)

// StepError is an error of Sync, with the step that failed.
type StepError struct {
	Step string // resolve, refuse, copy, record, link, verify or clean
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// ErrLost says that what was written is gone again.
var ErrLost = errors.New("the entry is gone again: somebody else writes this file")

// patience is how long a file that is not valid is waited for before the next
// one by name counts.
const patience = 5 * time.Second

// Installer installs on one node. Its methods may be called by several
// goroutines.
type Installer struct {
	cfg  Config
	log  *slog.Logger
	disk disk

	mu      sync.Mutex
	bin     binary
	runtime Runtime
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

// SetRuntime says which container runtime the node has, and returns whether
// that is new. It counts from the next Sync.
func (i *Installer) SetRuntime(r Runtime) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	changed := i.runtime != r
	i.runtime = r
	return changed
}

// pass is one Sync.
type pass struct {
	*Installer
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

// resolve finds the runtime's file and decides the mode.
func (p *pass) resolve() error {
	old, err := readRecord(p.cfg.NetDir)
	if err != nil {
		p.log.Warn("the record of what was installed is written anew", "err", err)
	}
	if p.had = old != nil; p.had {
		p.record, p.was = *old, *old
		if !p.claimed && old.Started >= p.started {
			p.started = old.Started + 1 // whatever the clocks say: this agent came later
		}
		p.Newer = old.Started > p.started
	}
	ours := p.cfg.Entry.ours()
	files, err := scan(p.cfg.NetDir, ours)
	if err != nil {
		return err
	}
	p.choice, err = choose(files, p.cfg.ConfName, p.tooYoung)
	if errors.Is(err, ErrNoPrimary) {
		p.Why = waitingFor(p.cfg, files)
		return errEnough
	}
	if err != nil {
		return err
	}
	p.rewritten(files)
	maps.DeleteFunc(p.invalid, func(file string, _ time.Time) bool {
		return !slices.ContainsFunc(files, func(c Candidate) bool { return c.File == file && c.problem != nil })
	})
	p.File, p.Network, p.Others = p.choice.File, p.choice.Network, p.choice.others
	if p.Mode, p.Why, err = decide(p.cfg.Mode, p.runtime, p.record.Mode, &p.choice.Candidate); err != nil {
		return err
	}
	if isNetworkName(p.Network) {
		p.dropins = filepath.Join(p.cfg.NetDir, p.Network)
	}
	if p.Mode == Dropin {
		p.dropin = filepath.Join(p.Network, dropinFile)
	}
	if p.choice.List {
		p.list, err = parseConflist(p.choice.data)
	}
	return err
}

// refuse takes the entry out, or does not put it in, where it would stop pods.
func (p *pass) refuse() error {
	why := cmp.Or(p.runtime.withholds(), p.choice.withholds())
	if why == "" || p.cfg.Force {
		return nil
	}
	p.State, p.Why = Refused, why
	if p.had && !p.Newer {
		if err := p.takeOut(Unsafe); err != nil {
			return err
		}
	}
	return errEnough
}

// rewritten chooses the single plugin's file again that the conflist in use was
// made of, if its owner has written it anew: a .json comes behind the conflist.
func (p *pass) rewritten(files []Candidate) {
	l := p.was.list(p.choice.File)
	if l == nil || l.Original == nil {
		return
	}
	for _, c := range files {
		if c.File == l.Original.File && c.problem == nil && c.excluded == "" {
			p.choice.Candidate = c
		}
	}
}

// tooYoung reports whether a file is not valid for so short a time that
// somebody may be writing it.
func (i *Installer) tooYoung(file string) bool {
	since, ok := i.invalid[file]
	if !ok {
		i.invalid[file] = time.Now()
	}
	return !ok || time.Since(since) < patience
}

// waitingFor says why there is no file.
func waitingFor(cfg Config, files []Candidate) string {
	if _, err := os.Stat(cfg.NetDir); err != nil {
		return fmt.Sprintf("%s does not exist: no CNI plugin has been installed on this node", cfg.NetDir)
	}
	text := "no network configuration in " + cfg.NetDir + " yet: the node's CNI plugin writes it"
	if cfg.ConfName != "" {
		text = fmt.Sprintf("%s is not in %s, or is not valid", cfg.ConfName, cfg.NetDir)
	}
	for _, c := range files {
		switch {
		case c.problem != nil:
			text += fmt.Sprintf("; %s is not valid: %v", c.File, c.problem)
		case c.excluded != "":
			text += fmt.Sprintf("; %s is passed over (%s)", c.File, c.excluded)
		}
	}
	return text
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
// new, a record that cannot be written is none's business but other agents'.
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

// link writes the entry, if it is not there.
func (p *pass) link() error {
	if p.Mode == Dropin {
		return p.linkDropin()
	}
	path := filepath.Join(p.cfg.NetDir, p.File)
	if p.choice.List {
		if p.chained() {
			return nil
		}
		if err := p.disk.write(path, p.list.with(p.cfg.Entry), p.choice.meta, p.choice.data); err != nil {
			return err
		}
		p.changed(Chained, path, p.reason(p.list.has(p.cfg.Entry.ours())))
		return nil
	}
	if p.Newer {
		return fmt.Errorf("%s has to become a conflist, which is left to the newer agent", p.File)
	}
	data, err := convert(p.choice.data)
	if err != nil {
		return err
	}
	if p.list, err = parseConflist(data); err != nil {
		return err
	}
	p.File = stem(p.File) + ".conflist"
	to := filepath.Join(p.cfg.NetDir, p.File)
	if err := p.disk.write(to, p.list.with(p.cfg.Entry), p.choice.meta, nil); err != nil {
		return err
	}
	p.changed(Chained, to, p.reason(false))
	if now, _, err := readFile(path); err != nil || !bytes.Equal(now, p.choice.data) {
		return fmt.Errorf("replace %s: %w", path, errMeanwhile)
	}
	if err := p.disk.remove(path); err != nil {
		return err
	}
	p.changed(Converted, path, p.Changes[len(p.Changes)-1].Reason)
	return nil
}

// chained reports whether the conflist has the entry. A newer agent's entry is
// as good as this one's.
func (p *pass) chained() bool {
	return p.list.holds(p.cfg.Entry) || p.Newer && p.list.has(p.cfg.Entry.ours())
}

// reason says why an entry has to be written; there is whether one is there,
// which then is not the right one.
func (p *pass) reason(there bool) Reason {
	switch {
	case len(p.was.Lists)+len(p.was.Dropins) == 0:
		return First
	case p.Mode == Dropin && !slices.Contains(p.was.Dropins, p.dropin), p.Mode == Chain && p.was.list(p.File) == nil:
		return Moved
	case !sameJSON(p.was.Entry, p.cfg.Entry.JSON):
		return Updated
	case there:
		return Altered
	}
	return Lost
}

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
	if _, present, same, err := p.bin.state(); err != nil || !same && !(p.Newer && present) {
		return errors.Join(fmt.Errorf("%s: %w", p.bin.dest, ErrLost), err)
	}
	p.State = Linked
	return nil
}
