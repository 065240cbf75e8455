package install

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNotInstalled says that there is no record of anything installed.
var ErrNotInstalled = errors.New("nothing is recorded as installed")

// ErrNewer says that a newer agent keeps the node.
var ErrNewer = errors.New("a newer agent keeps this node")

// Uninstall takes out what the record says was put in: the entry, then the
// record. The binary stays, since a runtime may tear pods down with a
// configuration that it read before, unless withBinary says otherwise. An
// agent calls it at its end with ifMine: it then fails with ErrNewer where a
// newer agent has taken over.
func (i *Installer) Uninstall(withBinary, ifMine bool) ([]Change, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	old, err := readRecord(i.cfg.NetDir)
	if err != nil {
		return nil, fmt.Errorf("uninstall: %w", err)
	}
	if old == nil {
		return nil, ErrNotInstalled
	}
	if ifMine && old.Started > i.started {
		return nil, ErrNewer
	}
	p := &pass{Installer: i, record: *old}
	if err = p.takeOut(Uninstall); err == nil && withBinary {
		err = p.removeBinary()
	}
	if err != nil {
		err = fmt.Errorf("uninstall: %w", err)
	}
	return p.Changes, err
}

// takeOut takes out every entry that the record names, and then the record.
func (p *pass) takeOut(r Reason) error {
	types := []string{p.record.Binary}
	for _, name := range p.record.Dropins {
		if err := p.removeDropin(name, r); err != nil {
			return err
		}
	}
	for _, l := range p.record.Lists {
		if err := p.strip(l.File, types, r); err != nil {
			return err
		}
		if l.Original != nil {
			if err := p.restore(l, r); err != nil {
				return err
			}
		}
	}
	p.sweepFiles(p.record.Lists)
	if err := p.disk.remove(filepath.Join(p.cfg.NetDir, recordFile)); err != nil {
		return err
	}
	p.claimed, p.had = false, false
	return nil
}

// restore puts a single plugin's configuration back in the place of the list
// that was made of it, if the list is still that.
func (p *pass) restore(l listRecord, r Reason) error {
	list, from := filepath.Join(p.cfg.NetDir, l.File), filepath.Join(p.cfg.NetDir, l.Original.File)
	data, _, err := readFile(list)
	if err != nil {
		if os.IsNotExist(err) {
			return nil // somebody took it away
		}
		return err
	}
	made, err := convert(l.Original.Data)
	if err != nil || !sameJSON(data, made) {
		return nil // it has become another network: leave it as it is
	}
	if !exists(from) { // else its owner has written it again
		if err := p.disk.write(from, l.Original.Data, l.Original.meta, nil); err != nil {
			return err
		}
		p.changed(Restored, from, r)
	}
	return p.disk.remove(list)
}

// removeBinary removes the plugin, if it is the one that was put there.
func (p *pass) removeBinary() error {
	path := filepath.Join(p.cfg.BinDir, p.record.Binary)
	sum, err := p.bin.hash(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if sum != p.record.SHA256 {
		return fmt.Errorf("remove %s: it is not the binary that was installed: remove it by hand, if it is not used", path)
	}
	if err := p.disk.remove(path); err != nil {
		return err
	}
	p.changed(Removed, path, Uninstall)
	return nil
}
