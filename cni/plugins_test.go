package cni

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"

	"shunt/netns/netnstest"
	"shunt/pods"
)

// pluginDir returns the folder of the CNI project's plugins.
func pluginDir(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} {
		found := 0
		for _, name := range []string{"bridge", "host-local", "portmap", "loopback"} {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				found++
			}
		}
		if found == 4 {
			return dir
		}
	}
	netnstest.Skip(t, "needs the CNI plugins bridge, host-local, portmap and loopback, which are not installed (Debian: containernetworking-plugins)")
	return ""
}

// adapters makes plugins that stand before the installed ones where those fall
// short. For a version of the specification that they are too old for, each
// calls its namesake in the version before, whose results are the same but for
// what that version does not have. And portmap's own CHECK (version 1.1.1)
// looks for rules of both address families, whichever the pod has: it is left
// out.
func adapters(t *testing.T, plugins, version string) string {
	dir := t.TempDir()
	for name, skip := range map[string]string{"bridge": "GC|STATUS", "portmap": "GC|STATUS|CHECK"} {
		script := "#!/bin/sh\ncase $CNI_COMMAND in " + skip + ") exit 0 ;; esac\n"
		plugin := filepath.Join(plugins, name)
		if version == newest {
			script += fmt.Sprintf(`[ "$CNI_COMMAND" != VERSION ] || { echo '{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}'; exit; }
out=$(sed 's/"cniVersion": *"1\.1\.0"/"cniVersion":"1.0.0"/g' | %s)
status=$?
printf %%s "$out" | sed 's/"cniVersion": *"1\.0\.0"/"cniVersion":"1.1.0"/g'
exit $status
`, plugin)
		} else {
			script += "exec " + plugin + "\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The example is one that libcni takes, and of which shunt knows every key.
func TestExample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/conflist.json")
	if err != nil {
		t.Fatal(err)
	}
	list, err := libcni.NetworkConfFromBytes(text)
	if err != nil {
		t.Fatal(err)
	}
	last := list.Plugins[len(list.Plugins)-1]
	if last.Network.Type != "shunt" || !last.Network.Capabilities[pods.AnnotationsCapability] {
		t.Fatalf("the last entry is %s", last.Bytes)
	}
	// The runtime adds the name and the version of the list.
	entry := strings.Replace(string(last.Bytes), "{", `{"name":"pods","cniVersion":"1.0.0",`, 1)
	c, err := parseConf([]byte(entry))
	if err != nil {
		t.Fatal(err)
	}
	cfg, warnings, err := c.config()
	if err == nil {
		cfg, err = c.forControlPlane(cfg, pods.Facts{}, "linkerd")
	}
	if err != nil || len(warnings) > 0 {
		t.Errorf("%v, %q", err, warnings)
	}
	if got := cfg.SkipOutboundPorts.String(); got != "443,4567-4568,6443" {
		t.Errorf("a pod of the control plane skips outbound %s", got)
	}
}
