package install

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
)

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
