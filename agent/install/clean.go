package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// clean takes out what belongs to an earlier state, once the new one is
// verified: another mode, another file, Linkerd's own installer.
func (p *pass) clean() error {
	if p.Newer {
		return nil
	}
	if err := p.reload(); err != nil { // left by a kill
		return err
	}
	next := p.record
	next.Lists, next.Dropins = nil, nil
	for _, l := range p.record.Lists {
		if p.Mode == Chain && l.File == p.File {
			next.Lists = append(next.Lists, l)
			continue
		}
		if err := p.strip(l.File, p.cfg.Entry.ours(), Stale); err != nil {
			return err
		}
		if l.Original != nil && exists(filepath.Join(p.cfg.NetDir, l.File)) {
			next.Lists = append(next.Lists, l) // for uninstall to put back
		}
	}
	if p.Mode == Dropin {
		// An entry in the primary's file, Linkerd's or an older one of ours,
		// would run as well.
		if err := p.strip(p.File, p.cfg.Entry.ours(), Stale); err != nil {
			return err
		}
		next.Dropins = []string{p.dropin}
	}
	dropins := p.record.Dropins
	if isNetworkName(p.Network) {
		dropins = append(slices.Clone(dropins), filepath.Join(p.Network, dropinFile))
	}
	for _, name := range dropins {
		if name == p.dropin {
			continue
		}
		if err := p.removeDropin(name, Stale); err != nil {
			return err
		}
	}
	if name := p.cfg.Kubeconfig; name != "" {
		path := filepath.Join(p.cfg.NetDir, name)
		if exists(path) {
			if err := p.disk.remove(path); err != nil {
				return err
			}
			p.changed(Removed, path, Stale)
		}
	}
	if p.dropin != "" {
		p.disk.sweep(filepath.Join(p.cfg.NetDir, p.dropin))
	}
	p.sweepFiles(append([]listRecord{{File: p.File}}, p.record.Lists...))
	return p.keep(next)
}

// sweepFiles removes what killed writes left of these lists, the record and the
// binary.
func (p *pass) sweepFiles(lists []listRecord) {
	p.disk.sweep(filepath.Join(p.cfg.NetDir, recordFile))
	p.disk.sweep(p.bin.dest)
	for _, l := range lists {
		p.disk.sweep(filepath.Join(p.cfg.NetDir, l.File))
		if l.Original != nil {
			p.disk.sweep(filepath.Join(p.cfg.NetDir, l.Original.File))
		}
	}
}

// strip takes the entries of these types out of a conflist.
func (p *pass) strip(file string, types []string, r Reason) error {
	path := filepath.Join(p.cfg.NetDir, file)
	data, m, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := parseConflist(data)
	if err != nil {
		return fmt.Errorf("take the entry out of %s: %w", path, err)
	}
	if !l.has(types) {
		return nil
	}
	if err := p.disk.write(path, l.without(types), m, data); err != nil {
		return err
	}
	p.changed(Unchained, path, r)
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
