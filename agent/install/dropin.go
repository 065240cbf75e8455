package install

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// dropinFile is the entry's file in NETDIR/<network>. libcni reads the files
// there that end in .conf, by name.
const dropinFile = "50-shunt.conf"

// scratchFile is written and removed to have the runtime read its configuration
// again: containerd does that when a file in NETDIR is removed, CRI-O when one
// is written, and neither looks at the folders in it. It is made before a
// drop-in changes, so that whoever comes after a kill knows that the runtime
// has not looked since.
const scratchFile = ".shunt-reload"

// linkDropin writes the entry to a file of its own.
func (p *pass) linkDropin() error {
	path := filepath.Join(p.cfg.NetDir, p.dropin)
	now, _, err := readFile(path)
	if err == nil && (sameJSON(now, p.cfg.Entry.JSON) || p.Newer && json.Valid(now)) {
		return nil
	}
	reason := p.reason(err == nil)
	if err := p.disk.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := p.willReload(); err != nil {
		return err
	}
	text := append(indent(p.cfg.Entry.JSON, ""), '\n')
	if err := p.disk.write(path, text, meta{Mode: 0o644, UID: os.Getuid(), GID: os.Getgid()}, nil); err != nil {
		return err
	}
	p.changed(Chained, path, reason)
	return p.reload()
}

// willReload says that reload has to be called.
func (p *pass) willReload() error {
	err := os.WriteFile(filepath.Join(p.cfg.NetDir, scratchFile), nil, 0o600)
	if err != nil {
		return fmt.Errorf("have the runtime read its configuration again: %w", err)
	}
	return nil
}

// reload has the runtime read NETDIR again, if willReload said so.
func (p *pass) reload() error {
	path := filepath.Join(p.cfg.NetDir, scratchFile)
	if !exists(path) {
		return nil
	}
	p.disk.at("before the runtime reads its configuration again")
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		return fmt.Errorf("have the runtime read its configuration again: %w", err)
	}
	return p.disk.remove(path)
}

// removeDropin removes a drop-in, and its folder if nothing else is in it.
func (p *pass) removeDropin(name string, r Reason) error {
	path := filepath.Join(p.cfg.NetDir, name)
	if exists(path) {
		if err := p.willReload(); err != nil {
			return err
		}
		if err := p.disk.remove(path); err != nil {
			return err
		}
		p.changed(Unchained, path, r)
	}
	if err := p.reload(); err != nil {
		return err
	}
	p.disk.sweep(path)
	_ = p.disk.remove(filepath.Dir(path)) // fails where others have drop-ins
	return nil
}
