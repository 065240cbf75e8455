package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

// Candidate is a file that the runtime may take for its network configuration.
type Candidate struct {
	File     string // its name in NETDIR
	Network  string
	List     bool // a conflist; else the configuration of a single plugin
	Inlined  bool // loadOnlyInlinedPlugins: libcni reads no drop-in
	types    []string
	data     []byte
	meta     meta
	problem  error  // it cannot be read or is not valid
	excluded string // why it is nobody's primary network
}

// scan reads the files of NETDIR that runtimes look at, in their order:
// containerd (go-cni) and CRI-O (ocicni) sort them by name. A folder that does
// not exist is empty.
func scan(dir string, ours []string) ([]Candidate, error) {
	paths, err := libcni.ConfFiles(dir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	slices.Sort(paths)
	var list []Candidate
	for _, path := range paths {
		c := Candidate{File: filepath.Base(path), List: strings.HasSuffix(path, ".conflist")}
		c.data, c.meta, err = readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // removed since
		case err != nil:
			c.problem = err
		default:
			c.problem = c.parse(ours)
		}
		list = append(list, c)
	}
	return list, nil
}

// parse reads the candidate as libcni does.
func (c *Candidate) parse(ours []string) error {
	var list *libcni.NetworkConfigList
	var err error
	if c.List {
		list, err = libcni.NetworkConfFromBytes(c.data)
	} else {
		var single *libcni.PluginConfig
		if single, err = libcni.NetworkPluginConfFromBytes(c.data); err == nil {
			//lint:ignore SA1019 runtimes still read such files, and read them with this
			list, err = libcni.ConfListFromConf(single)
		}
	}
	if err != nil {
		return err
	}
	c.Network, c.Inlined = list.Name, list.LoadOnlyInlinedPlugins
	bridge := ""
	for _, p := range list.Plugins {
		c.types = append(c.types, p.Network.Type)
		if o, err := parseObject(p.Bytes); err == nil && bridge == "" {
			bridge = o.text("bridge")
		}
	}
	switch {
	case c.Network == "podman" || strings.HasPrefix(bridge, "cni-podman"):
		c.excluded = "podman's"
	case len(c.types) == 1 && c.types[0] == "loopback":
		c.excluded = "only loopback"
	case len(c.types) > 0 && !slices.ContainsFunc(c.types, func(t string) bool { return !slices.Contains(ours, t) }):
		c.excluded = "only " + strings.Join(c.types, ", ") + ", which makes no interface"
	}
	return nil
}

// withholds says why plugins of this configuration get no annotations.
func (c *Candidate) withholds() string {
	if len(c.types) > 0 && strings.HasPrefix(c.types[0], "multus") {
		return "the configuration in use is Multus's, which passes no pod annotations to the plugins that it calls"
	}
	return ""
}

// Why there is nothing to link to.
var (
	// ErrNoPrimary says that the node has no network configuration yet.
	ErrNoPrimary = errors.New("no network configuration that a runtime could use")
	// ErrUnparsable says that the runtime's file cannot be read now; somebody
	// may be writing it.
	ErrUnparsable = errors.New("not a valid network configuration")
	// ErrAmbiguous says that another's file is in the way.
	ErrAmbiguous = errors.New("it is not clear which file to change")
)

// choice is the file that the runtime uses, and what else was looked at.
type choice struct {
	Candidate
	others []string // further files that could be a primary network's
}

// choose returns the file that the runtime uses: the first by name that is
// valid, or the one named pin. A file that is not valid is passed over only
// where patient says that it was so for long: CRI-O takes the next one, and
// containerd then has no network at all.
func choose(list []Candidate, pin string, patient func(file string) bool) (choice, error) {
	var chosen choice
	for _, c := range list {
		switch {
		case pin != "" && stem(c.File) != stem(pin): // a .conf that was pinned may have become a conflist
		case c.problem != nil && chosen.File == "" && (pin != "" || patient(c.File)):
			return choice{}, fmt.Errorf("%s: %w: %w", c.File, ErrUnparsable, c.problem)
		case c.problem != nil || c.excluded != "":
		case chosen.File == "":
			chosen.Candidate = c
		case stem(c.File) != stem(chosen.File):
			chosen.others = append(chosen.others, c.File)
		}
	}
	if chosen.File == "" {
		return choice{}, ErrNoPrimary
	}
	return chosen, nil
}

// stem is a file's name without its ending.
func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }
