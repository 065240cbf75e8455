package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shunt/netns/netnstest"
)

// testContainerd imports the archives into a containerd and runs what is in
// them as a cluster does that allows little.
func testContainerd(t *testing.T, tree *Tree) {
	netnstest.IDs(t, 65534)
	c := startContainerd(t)
	images := map[string]string{} // by variant
	// The user stands in the image, for ctr of containerd 1.6, which has no
	// option for it; a pod says it itself.
	variants := []Variant{{Name: "as-root", Entrypoint: Variants()[0].Entrypoint}}
	for _, v := range Variants() {
		v.User = "65534:65534"
		variants = append(variants, v)
	}
	for _, v := range variants {
		img, err := Pack(v, testRelease, tree)
		if err != nil {
			t.Fatal(err)
		}
		archive := filepath.Join(c.state, v.Name+".tar")
		if err := img.WriteArchive(archive); err != nil {
			t.Fatal(err)
		}
		c.ctr("images", "import", archive)
		images[v.Name] = img.Name
	}
	if list := c.ctr("images", "list", "-q"); list != "registry.example/mesh/as-root:v1.2.3\nregistry.example/mesh/shunt-init:v1.2.3\nregistry.example/mesh/shunt:v1.2.3\n" {
		t.Errorf("the images in containerd:\n%s", list)
	}

	t.Run("init applies rules as a user without privileges, and finds them unchanged", func(t *testing.T) {
		ns := netnstest.New(t)
		out := c.run(t, images["shunt"], c.restricted(ns, "CAP_NET_ADMIN", "CAP_NET_RAW"), "/shunt", "init")
		if !strings.Contains(out, "applied and verified") || !strings.Contains(out, "backend=nftables") {
			t.Errorf("init says\n%s", out)
		}
		if rules := ns.Exec(t, "", "nft", "list", "ruleset"); !strings.Contains(rules, "redirect to :4143") {
			t.Errorf("the rules after init:\n%s", rules)
		}
		if out := c.run(t, images["shunt"], c.restricted(ns, "CAP_NET_ADMIN"), "/shunt", "init"); !strings.Contains(out, "result=unchanged") {
			t.Errorf("init without CAP_NET_RAW says\n%s", out)
		}
	})
	t.Run("plan runs where the container has no capability at all", func(t *testing.T) {
		out := c.run(t, images["shunt"], c.restricted(netnstest.New(t)), "/shunt", "plan", "-o", "table")
		if !strings.Contains(out, "redirect to :4143") {
			t.Errorf("plan says\n%s", out)
		}
	})
	t.Run("Linkerd's charts", func(t *testing.T) {
		for _, name := range []string{images["shunt"], images["shunt-init"]} { // from edge-25.11 with a command, up to 2.19 by the entrypoint
			ns := netnstest.New(t)
			out := c.run(t, name, c.restricted(ns, "CAP_NET_ADMIN", "CAP_NET_RAW"), "/usr/lib/linkerd/linkerd2-proxy-init",
				"-p", "4143", "-o", "4140", "-u", "2102", "--inbound-ports-to-ignore", "4190,4191")
			if rules := ns.Exec(t, "", "nft", "list", "ruleset"); !strings.Contains(rules, "redirect to :4143") || !strings.Contains(rules, "4190-4191") {
				t.Errorf("proxy-init of %s says\n%s\nthe rules are\n%s", name, out, rules)
			}
		}
		ns := netnstest.NewTopology(t).Pod
		ns.Exec(t, "", "nft", "add table ip nat; add chain ip nat out { type nat hook output priority -100; }; add rule ip nat out meta l4proto tcp redirect to :4140")
		out, err := c.try(images["shunt"], c.restricted(ns), "/usr/lib/linkerd/linkerd2-network-validator",
			"--log-format", "plain", "--log-level", "debug", "--connect-addr", "1.1.1.1:20001", "--listen-addr", "0.0.0.0:4140", "--timeout", "10s")
		if err != nil || !strings.Contains(out, "the connection was redirected") {
			t.Errorf("the network validator, without capabilities: %v\n%s", err, out)
		}
		out, err = c.try(images["shunt-init"], c.restricted(netnstest.New(t)))
		if err == nil || !strings.Contains(out, "incoming-proxy-port") {
			t.Errorf("shunt-init without arguments: %v, and it says\n%s", err, out)
		}
	})
	t.Run("the agent installs the plugin with the chart's capabilities, where nothing is root's", func(t *testing.T) {
		node := t.TempDir()
		const primary = `{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge"}]}`
		if err := errors.Join(os.MkdirAll(filepath.Join(node, "net.d"), 0o755), os.MkdirAll(filepath.Join(node, "bin"), 0o755),
			os.WriteFile(filepath.Join(node, "net.d", "10-pods.conflist"), []byte(primary), 0o600)); err != nil {
			t.Fatal(err)
		}
		const owner = 1001
		for _, name := range []string{"net.d", "bin", "net.d/10-pods.conflist"} {
			if err := os.Chown(filepath.Join(node, name), owner, owner); err != nil {
				t.Fatal(err)
			}
		}
		options := c.restricted(netnstest.New(t), "CAP_DAC_OVERRIDE", "CAP_CHOWN")
		for folder, path := range map[string]string{"net.d": "/host/etc/cni/net.d", "bin": "/host/opt/cni/bin"} {
			options = append(options, "--mount", "type=bind,src="+filepath.Join(node, folder)+",dst="+path+",options=rbind:rw")
		}
		out := c.run(t, images["as-root"], options, "/shunt-agent", "install", "--once")
		installed, err := os.ReadFile(filepath.Join(node, "bin", "shunt"))
		if want := tree.programs[0].file; err != nil || !bytes.Equal(installed, want) {
			t.Errorf("the plugin has %d bytes (%v), the image's %d\n%s", len(installed), err, len(want), out)
		}
		conflist, err := os.ReadFile(filepath.Join(node, "net.d", "10-pods.conflist"))
		if err != nil || !strings.Contains(string(conflist), `"type":"shunt"`) {
			t.Errorf("the conflist (%v):\n%s\n%s", err, conflist, out)
		}
		var stat syscall.Stat_t
		if err := syscall.Stat(filepath.Join(node, "net.d", "10-pods.conflist"), &stat); err != nil || stat.Uid != owner || stat.Gid != owner {
			t.Errorf("the conflist is of %d:%d, want %d (%v)", stat.Uid, stat.Gid, owner, err)
		}
	})
}

// restricted returns the options of ctr run for a container in ns with the
// restrictions of the strictest of the Pod Security Standards, with these
// capabilities besides. ctr sets no_new_privs by itself, and the image the user.
func (c *containerd) restricted(ns *netnstest.NS, capabilities ...string) []string {
	options := []string{"--read-only", "--seccomp", "--with-ns", "network:" + c.state + ns.Path}
	for _, capability := range capabilities {
		options = append(options, "--cap-add", capability)
	}
	for _, capability := range []string{ // what ctr gives, see containerd's oci/spec.go
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	} {
		if !slices.Contains(capabilities, capability) {
			options = append(options, "--cap-drop", capability)
		}
	}
	return options
}

// containerd is a running containerd, with mounts and process ids of its own;
// they end with it, and it ends with this process, whatever that ends by.
type containerd struct {
	t     *testing.T
	state string
	pid   int // of the first process in there
	runs  int
}

func startContainerd(t *testing.T) *containerd {
	t.Helper()
	for _, name := range []string{"containerd", "ctr", "runc", "containerd-shim-runc-v2", "nsenter"} {
		netnstest.Tool(t, name)
	}
	state, err := os.MkdirTemp("", "shunt-image-") // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(state); err != nil {
			t.Error(err)
		}
	})
	c := &containerd{t: t, state: state}
	config := fmt.Sprintf(`version = 2
root = %q
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = %q
[plugins."io.containerd.internal.v1.opt"]
  path = %q
`, filepath.Join(state, "root"), c.socket(), filepath.Join(state, "opt"))
	if err := os.WriteFile(filepath.Join(state, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// The first process in its namespaces is a shell that waits for the end of
	// its input, which comes at the latest when this process ends. The tests'
	// network namespaces have their paths in the proc that it leaves.
	const script = `set -e
mount --make-rprivate /
mkdir "$1/proc"
mount --bind /proc "$1/proc"
mount -t proc proc /proc
for dir in /run /var/lib; do mount -t tmpfs none $dir; done
containerd --config "$1/config.toml" >"$1/containerd.log" 2>&1 </dev/null &
cat >/dev/null
`
	cmd := exec.Command("sh", "-c", script, "sh", state)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start containerd in namespaces of its own: %v", err)
	}
	c.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = input.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the first process of containerd's namespaces: %v\n%s", err, &said)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(state, "containerd.log"))
			t.Logf("containerd's log:\n%s", log)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := c.command("version").CombinedOutput()
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("containerd does not serve after 30s: %v\n%s", err, out)
		}
	}
}

func (c *containerd) socket() string { return filepath.Join(c.state, "sock") }

// command returns a command of ctr, in containerd's namespaces.
func (c *containerd) command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", fmt.Sprint(c.pid), "--mount", "--pid", "ctr", "--address", c.socket()}, args...)...)
}

func (c *containerd) ctr(args ...string) string {
	c.t.Helper()
	out, err := c.command(args...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("ctr %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// try runs a container to its end and returns what it printed.
func (c *containerd) try(image string, options []string, command ...string) (string, error) {
	c.runs++
	args := append([]string{"run", "--rm", "--snapshotter", "native", "--cgroup", ""}, options...)
	out, err := c.command(append(append(args, image, fmt.Sprintf("run-%d", c.runs)), command...)...).CombinedOutput()
	return string(out), err
}

func (c *containerd) run(t *testing.T, image string, options []string, command ...string) string {
	t.Helper()
	out, err := c.try(image, options, command...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", image, command, err, out)
	}
	return out
}
