package install

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
)

// node is a node's folders, with libcni as its runtime.
type node struct {
	testing.TB
	dir, net, bin string
	plugin        string // the agent's copy of the plugin
	log           bytes.Buffer
}

func newNode(t testing.TB) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{TB: t, dir: dir, net: filepath.Join(dir, "net.d"), bin: filepath.Join(dir, "bin"), plugin: filepath.Join(dir, "plugin")}
	for _, d := range []string{n.net, n.bin} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n.put(n.plugin, "the plugin")
	return n
}

// put writes a file as careless people do; a name without a folder is one in
// NETDIR.
func (n *node) put(name, text string) {
	n.Helper()
	if err := os.WriteFile(n.path(name), []byte(text), 0o644); err != nil {
		n.Fatal(err)
	}
}

// path is a file of the node.
func (n *node) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(n.net, name)
}

// get reads a file; "" for none.
func (n *node) get(name string) string {
	n.Helper()
	data, err := os.ReadFile(n.path(name))
	if err != nil && !os.IsNotExist(err) {
		n.Fatal(err)
	}
	return string(data)
}

// agent is a new agent of the node.
func (n *node) agent(mode Mode, change ...func(*Config)) *Installer {
	n.Helper()
	cfg := Config{NetDir: n.net, BinDir: n.bin, Plugin: n.plugin, Entry: shuntEntry(n), Mode: mode, Kubeconfig: "ZZZ-linkerd-cni-kubeconfig"}
	for _, f := range change {
		f(&cfg)
	}
	return New(cfg, slog.New(slog.NewTextHandler(&n.log, nil)))
}

// load loads the network as containerd does (go-cni): the first file by name,
// whatever it is.
func load(dir string) (*libcni.NetworkConfigList, error) {
	files, err := libcni.ConfFiles(dir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no files in %s", dir)
	}
	slices.Sort(files)
	if strings.HasSuffix(files[0], ".conflist") {
		return libcni.NetworkConfFromFile(files[0])
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	conf, err := libcni.NetworkPluginConfFromBytes(data)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 runtimes still read such files, and read them with this
	return libcni.ConfListFromConf(conf)
}

// types are the plugins that the runtime would call.
func (n *node) types() string {
	n.Helper()
	list, err := load(n.net)
	if err != nil {
		n.Fatalf("the runtime: %v", err)
	}
	var types []string
	for _, p := range list.Plugins {
		types = append(types, p.Network.Type)
	}
	return strings.Join(types, " ")
}

// chain fails the test unless the runtime would call these plugins, and those
// that are ours are there.
func (n *node) chain(want string) {
	n.Helper()
	got := n.types()
	if got != want {
		n.Errorf("the runtime calls %q, want %q", got, want)
	}
	for _, t := range strings.Fields(got) {
		if (t == "shunt" || t == "linkerd-cni") && n.get(filepath.Join(n.bin, t)) == "" {
			n.Errorf("an entry without its binary: %s", t)
		}
	}
}

// files are the names of the files in NETDIR, and in the folders there.
func (n *node) files() string {
	n.Helper()
	var names []string
	err := filepath.WalkDir(n.net, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != n.net {
			name, _ := filepath.Rel(n.net, path)
			if d.IsDir() {
				name += "/"
			}
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	return strings.Join(names, " ")
}

// sync has the agent look once; it fails the test unless that ends in a state
// and these changes, as in "copied first, chained lost".
func (n *node) sync(i *Installer, state State, changes string) Status {
	n.Helper()
	st, err := i.Sync()
	if err != nil {
		n.Fatalf("sync: %v", err)
	}
	var got []string
	for _, c := range st.Changes {
		got = append(got, fmt.Sprintf("%s %s", c.Action, c.Reason))
	}
	if st.State != state || strings.Join(got, ", ") != changes {
		n.Errorf("%s (%s), %q; want %s, %q", st.State, st.Why, strings.Join(got, ", "), state, changes)
	}
	return st
}

// uninstall takes everything out, as a process of its own does.
func (n *node) uninstall(binary bool) {
	n.Helper()
	if _, err := n.agent(Auto).Uninstall(binary, false); err != nil {
		n.Errorf("uninstall: %v", err)
	}
}
