package install

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

// Look is what there is on a node, for people.
type Look struct {
	NetDir, BinDir string
	File, Network  string   // the network configuration that the runtime uses; "" for none
	Plugins        []string // that a runtime which reads drop-ins calls for it, in order
	Others         []string // further files that could be the runtime's
	Mode           Mode     // as recorded; "" where nothing is
	Binary         string   // the plugin's, "" where none is known
	BinaryIs       string   // "", or what is wrong with it
	NotChained     string   // "", or why it is not
}

// Ready reports whether the plugin is there and chained.
func (l Look) Ready() bool { return l.Mode != "" && l.BinaryIs == "" && l.NotChained == "" }

// LookAt looks at a node and changes nothing. It compares with the record of
// what was installed. confName is the file to use, "" for the runtime's choice.
func LookAt(netDir, binDir, confName string) Look {
	l := Look{NetDir: netDir, BinDir: binDir}
	rec, err := readRecord(netDir)
	if rec == nil {
		l.NotChained = "nothing is recorded as installed in " + filepath.Join(netDir, recordFile)
		if err != nil {
			l.NotChained = err.Error()
		}
		rec = &record{Binary: typeShunt}
	} else {
		l.Mode, l.Binary = rec.Mode, filepath.Join(binDir, rec.Binary)
		b := binary{}
		switch sum, err := b.hash(l.Binary); {
		case err != nil:
			l.BinaryIs = "missing: " + cause(err).Error()
		case sum != rec.SHA256:
			l.BinaryIs = "not the one that was installed"
		}
	}
	if err := l.chain(rec, confName); err != nil && l.NotChained == "" {
		l.NotChained = err.Error()
	}
	return l
}

// chain finds the network in use, and says why ours is not in it.
func (l *Look) chain(rec *record, confName string) error {
	entry := Entry{Type: rec.Binary, JSON: rec.Entry}
	files, err := scan(l.NetDir, entry.ours())
	if err != nil {
		return err
	}
	c, err := choose(files, confName, func(string) bool { return true })
	if errors.Is(err, ErrNoPrimary) {
		return errors.New(waitingFor(Config{NetDir: l.NetDir, ConfName: confName}, files))
	}
	if err != nil {
		return err
	}
	l.File, l.Network, l.Others, l.Plugins = c.File, c.Network, c.others, c.types
	path := filepath.Join(l.NetDir, c.File)
	if c.List {
		list, err := libcni.NetworkConfFromFile(path)
		if err != nil {
			return fmt.Errorf("load %s as a runtime does: %w", path, err)
		}
		l.Plugins = nil
		for _, p := range list.Plugins {
			l.Plugins = append(l.Plugins, p.Network.Type)
		}
	}
	if !slices.Contains(l.Plugins, rec.Binary) {
		return fmt.Errorf("network %s has the plugins %s, without %s: somebody took it out, and no agent put it back", l.Network, strings.Join(l.Plugins, ", "), rec.Binary)
	}
	if l.Mode == Chain && !slices.Contains(c.types, rec.Binary) {
		return fmt.Errorf("%s does not have the entry of %s", c.File, rec.Binary)
	}
	return nil
}
