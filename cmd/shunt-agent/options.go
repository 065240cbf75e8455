package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"shunt/agent/install"
	"shunt/cli"
	"shunt/config"
)

// options are the flags that several commands have. Each is also a variable,
// SHUNT_AGENT_ and the flag's name in capitals; some are also variables of
// Linkerd's installer.
type options struct {
	netDir, binDir, hostPrefix       string
	config                           string
	pluginName, pluginFile, confName string
	mode                             string
	namespace                        string
	force                            bool
}

// hostPrefix is where a pod has the node's folders, as Linkerd's chart mounts
// them.
const hostPrefix = "/host"

// folders binds the flags that say where.
func (o *options) folders(fs *pflag.FlagSet) {
	fs.StringVar(&o.netDir, "net-dir", "/etc/cni/net.d", "`folder` of the node's network configurations")
	fs.StringVar(&o.binDir, "bin-dir", "/opt/cni/bin", "`folder` of the node's CNI plugins")
	fs.StringVar(&o.hostPrefix, "host-prefix", hostPrefix, "`folder` where the node's folders are mounted; without a pod: /")
}

// plugin binds the flags that say what.
func (o *options) plugin(fs *pflag.FlagSet) {
	fs.StringVar(&o.config, "config", "", "the plugin's entry, as `JSON` (default: Linkerd's standard values)")
	fs.StringVar(&o.pluginName, "plugin-name", "", "`name` of the plugin's binary (default: the entry's type)")
	fs.StringVar(&o.pluginFile, "plugin-file", "", "`file` that is installed as the plugin (default: shunt, beside this program)")
	fs.StringVar(&o.confName, "conf-name", "", "`file` in the net dir to chain to (default: the one that the runtime uses)")
	cli.Choice(fs, &o.mode, "mode", "", "how the plugin is chained: dropin is a file of its own, chain an entry in the network's conflist", string(install.Auto), string(install.Dropin), string(install.Chain))
	fs.StringVar(&o.namespace, "namespace", "", "the agent's `namespace`, which the plugin leaves alone (default: the service account's)")
	fs.BoolVar(&o.force, "force", false, "install although the runtime passes no pod annotations, without which pods cannot start")
}

// linkerdNames are the variables of Linkerd's installer, by flag.
func linkerdNames() map[string]string {
	return map[string]string{
		"net-dir":     "DEST_CNI_NET_DIR",
		"bin-dir":     "DEST_CNI_BIN_DIR",
		"host-prefix": "CONTAINER_MOUNT_PREFIX",
		"config":      "CNI_NETWORK_CONFIG",
	}
}

// linkerdConfigFile is the variable of Linkerd's installer for a file with
// what CNI_NETWORK_CONFIG could also hold.
const linkerdConfigFile = "CNI_NETWORK_CONFIG_FILE"

// fromEnv sets the flags that were not given from the environment. An empty
// variable counts as absent, as it does for Linkerd's installer.
func fromEnv(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		own := "SHUNT_AGENT_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		for _, name := range []string{own, linkerdNames()[f.Name]} {
			value, _ := lookup(name)
			if value == "" {
				continue
			}
			if err := flags.Set(f.Name, value); err != nil {
				errs = append(errs, input("variable %s: %s", name, strings.TrimPrefix(config.FlagError(flags, err).Error(), "flag --"+f.Name+": ")))
			}
			return
		}
	})
	return errors.Join(errs...)
}

// install returns the installer's configuration.
func (o *options) install(s *system) (install.Config, error) {
	entry, err := o.entry(s)
	if err != nil {
		return install.Config{}, input("%v", err)
	}
	plugin := o.pluginFile
	if plugin == "" {
		self, err := os.Executable()
		if err != nil {
			return install.Config{}, err
		}
		plugin = filepath.Join(filepath.Dir(self), "shunt")
	}
	kubeconfig, _ := s.lookupEnv("KUBECONFIG_FILE_NAME")
	if kubeconfig == "" || kubeconfig != filepath.Base(kubeconfig) {
		kubeconfig = "ZZZ-linkerd-cni-kubeconfig"
	}
	return install.Config{
		NetDir: o.onNode(o.netDir), BinDir: o.onNode(o.binDir), Plugin: plugin, Entry: entry,
		Mode: install.Mode(o.mode), ConfName: o.confName, Kubeconfig: kubeconfig, Force: o.force,
	}, nil
}

// onNode returns a path of the node as this process sees it.
func (o *options) onNode(path string) string { return filepath.Join("/", o.hostPrefix, path) }

// withoutPod makes the prefix / where there is no pod's /host and none was
// asked for: the commands that people call on a node itself.
func (o *options) withoutPod(flags *pflag.FlagSet) {
	if _, err := os.Stat(hostPrefix); errors.Is(err, fs.ErrNotExist) && !flags.Changed("host-prefix") {
		o.hostPrefix = "/"
	}
}

// entry reads the plugin's entry.
func (o *options) entry(s *system) (install.Entry, error) {
	data := []byte(o.config)
	if file, _ := s.lookupEnv(linkerdConfigFile); o.config == "" && file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return install.Entry{}, fmt.Errorf("variable %s: %w", linkerdConfigFile, err)
		}
	}
	if len(data) == 0 {
		data = []byte(install.StandardEntry)
	}
	if o.namespace == "" {
		o.namespace = ownNamespace()
	}
	return install.NewEntry(data, o.pluginName, o.namespace)
}

// ownNamespace is the namespace of this pod's service account, "" outside of
// a pod.
func ownNamespace() string {
	data, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
