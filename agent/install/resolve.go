package install

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// patience is how long a file that is not valid is waited for before the next
// one by name counts.
const patience = 5 * time.Second

// resolve finds the runtime's file and decides the mode.
func (p *pass) resolve() error {
	old, err := readRecord(p.cfg.NetDir)
	if err != nil {
		p.log.Warn("the record of what was installed cannot be read and is replaced", "err", err)
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
	p.now = p.told.recall(p.record.IgnoresDropins)
	if p.Mode, p.Why, err = decide(p.cfg.Mode, p.runtime, p.ignores, p.record.Mode, &p.choice.Candidate); err != nil {
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

// rewritten chooses the single plugin's file again that the conflist in use was
// made of, if its owner has written it again: a .json sorts after the conflist.
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

// tooYoung reports whether a file has been invalid for so short a time that
// somebody may still be writing it.
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
