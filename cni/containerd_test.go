package cni

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"shunt/netns"
	"shunt/netns/netnstest"
)

// testContainerd has containerd make pods by its CRI socket, as a kubelet
// does, with the program in the chain.
func testContainerd(t *testing.T, dir string) {
	d := startContainerd(t, dir)
	proxied := sandbox{name: "web-5f", namespace: "emojivoto", cgroup: d.cgroup, annotations: map[string]string{
		"linkerd.io/proxy-version": "edge-25.1.1", "config.linkerd.io/skip-outbound-ports": "3306", "kubernetes.io/config.source": "api"}}

	// The annotations arrive, and the rules are in place and work.
	id, err := d.cri.run(t.Context(), proxied)
	if err != nil {
		t.Fatal(err)
	}
	pod := d.namespace(proxied.name)
	rules := ruleset(t, pod)
	if !strings.Contains(rules, "table inet shunt") || !strings.Contains(rules, "3306") {
		t.Errorf("the rules of a meshed pod:\n%s", rules)
	}
	d.traffic(pod)

	// Linkerd's init container afterwards changes nothing.
	out := pod.Exec(t, "", filepath.Join(dir, "proxy-init"), "-p", "4143", "-o", "4140", "-u", "2102",
		"--inbound-ports-to-ignore", "4190,4191", "--outbound-ports-to-ignore", "3306")
	if after := ruleset(t, pod); after != rules || !strings.Contains(out, "unchanged") {
		t.Errorf("after proxy-init, which says\n%s\nthe rules are\n%s\nthey were\n%s", out, after, rules)
	}

	// Another pod is let through.
	other := sandbox{name: "plain", namespace: "default", cgroup: d.cgroup}
	otherID, err := d.cri.run(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if rules := ruleset(t, d.namespace(other.name)); rules != "" {
		t.Errorf("the rules of a pod that is not meshed:\n%s", rules)
	}

	// A bad annotation is what the kubelet hears of.
	bad := proxied
	bad.name, bad.annotations = "typo", map[string]string{"linkerd.io/proxy-version": "edge-25.1.1", "linkerd.io/skip-ports": "80,8o80"}
	_, err = d.cri.run(t.Context(), bad)
	for _, text := range []string{`plugin type="linkerd-cni"`, "failed (add)", "pod emojivoto/typo", "linkerd.io/skip-ports", `"8o80"`, "want a number"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("a pod with a bad annotation: %v, without %q", err, text)
		}
	}

	// Removal runs DEL and leaves nothing.
	for name, id := range map[string]string{proxied.name: id, other.name: otherID} {
		if err := errors.Join(d.cri.stop(t.Context(), id), d.cri.stop(t.Context(), id), d.cri.remove(t.Context(), id)); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
		if !regexp.MustCompile("msg=del .*/" + name + " ").MatchString(d.log()) {
			t.Errorf("no DEL of %s in the log:\n%s", name, d.log())
		}
	}
	if left, err := filepath.Glob(d.root("/run/netns/*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if len(rules) > 0 && strings.Contains(ruleset(t, d.node), "shunt") {
		t.Errorf("rules on the node:\n%s", ruleset(t, d.node))
	}
}

// containerd is a running containerd. It has mounts and process ids of its
// own, and a node's network namespace; they end with it, and it ends with this
// process, whatever that ends by.
type containerd struct {
	t      *testing.T
	top    *netnstest.Topology
	node   *netnstest.NS // where containerd and the plugins are
	cri    *cri
	pid    int    // of the first process in there
	cgroup string // of the pods
	logs   string // log_file
}

func startContainerd(t *testing.T, dir string) *containerd {
	t.Helper()
	for _, name := range []string{"containerd", "ctr", "runc", "containerd-shim-runc-v2"} {
		netnstest.Tool(t, name)
	}
	netnstest.IDs(t, 1, 1000, 2102) // not in a user namespace
	// Sockets have short paths.
	state, err := os.MkdirTemp("", "shunt-cri-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(state); err != nil {
			t.Error(err)
		}
	})
	d := &containerd{t: t, top: netnstest.NewTopology(t), logs: filepath.Join(state, "shunt.log")}
	d.node = d.top.Pod
	d.cgroup = "/" + filepath.Base(state)
	t.Cleanup(d.removeCgroups)
	d.configure(dir, state)
	writePauseImage(t, filepath.Join(state, "pause.tar"))
	d.start(state)
	return d
}

// configure writes containerd's configuration and the conflist, and gathers
// the plugins.
func (d *containerd) configure(dir, state string) {
	t := d.t
	bin, plugins := filepath.Join(state, "bin"), pluginDir(t)
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Mkdir(filepath.Join(state, "net.d"), 0o755),
		os.Symlink(filepath.Join(dir, "shunt"), filepath.Join(bin, "linkerd-cni"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bridge", "host-local", "portmap", "loopback"} {
		if err := os.Symlink(filepath.Join(plugins, name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{
		"net.d/10-pods.conflist": fmt.Sprintf(`{"cniVersion":"1.0.0","name":"pods","plugins":[
			{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,
			 "ipam":{"type":"host-local","ranges":[[{"subnet":"10.240.0.0/24"}],[{"subnet":"fd00:240::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}},
			{"type":"portmap","capabilities":{"portMappings":true}},
			{"type":"linkerd-cni","capabilities":{"io.kubernetes.cri.pod-annotations":true},"log_file":%q,%s}]}`, d.logs, chart),
		"config.toml": fmt.Sprintf(`version = 2
root = %[1]q
state = "/run/containerd"
[grpc]
  address = %[2]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[3]q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[4]q
    conf_dir = %[5]q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
[plugins."io.containerd.internal.v1.opt"]
  path = %[6]q
`, filepath.Join(state, "root"), filepath.Join(state, "sock"), pauseImage, bin, filepath.Join(state, "net.d"), filepath.Join(state, "opt")),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts containerd and waits until it serves. The first process in its
// pid namespace is a shell that waits for the end of its input, which comes at
// the latest when this process ends; the namespace's other processes, pods
// among them, end with it.
func (d *containerd) start(state string) {
	t := d.t
	const script = `set -e
mount --make-rprivate /
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
	if err := d.node.Do(cmd.Start); err != nil {
		t.Fatalf("start containerd in namespaces of its own: %v", err)
	}
	d.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = input.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the first process of containerd's namespace: %v\n%s", err, &said)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(state, "containerd.log"))
			t.Logf("containerd's log:\n%s\nthe plugin's log:\n%s", log, d.log())
		}
	})
	socket := filepath.Join(state, "sock")
	d.cri = newCRI(socket)
	d.wait("containerd to serve", func(ctx context.Context) error {
		_, err := d.cri.call(ctx, "Version", nil)
		return err
	})
	enter := []string{"--target", fmt.Sprint(d.pid), "--mount", "--pid", "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", filepath.Join(state, "pause.tar")}
	if out, err := exec.Command("nsenter", enter...).CombinedOutput(); err != nil {
		t.Fatalf("import the image of the sandbox: %v\n%s", err, out)
	}
}

// wait repeats f until it succeeds, for half a minute at most.
func (d *containerd) wait(what string, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			d.t.Fatalf("wait for %s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// root returns the path by which a file of containerd's mounts is seen here.
func (d *containerd) root(path string) string { return fmt.Sprintf("/proc/%d/root%s", d.pid, path) }

// log returns the plugin's log.
func (d *containerd) log() string {
	text, err := os.ReadFile(d.logs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Error(err)
	}
	return string(text)
}

// namespace returns a pod's network namespace, which the plugin's log names.
func (d *containerd) namespace(pod string) *netnstest.NS {
	d.t.Helper()
	found := regexp.MustCompile(`msg=add pod=\S*/` + pod + ` \S+ netns=/var(/run/netns/\S+)`).FindStringSubmatch(d.log())
	if found == nil {
		d.t.Fatalf("no ADD of %s in the log:\n%s", pod, d.log())
	}
	ns, err := netns.Open(d.root(found[1]))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = ns.Close() })
	return &netnstest.NS{NS: ns, Path: d.root(found[1])}
}

// traffic checks connections from a meshed pod.
func (d *containerd) traffic(pod *netnstest.NS) {
	t := d.t
	netnstest.StartProxy(t, pod, 4143, 4140)
	netnstest.StartApp(t, d.top.Server, netip.AddrPortFrom(netip.IPv6Unspecified(), 80))
	for _, a := range []netip.Addr{d.top.Server.IPv4, d.top.Server.IPv6} {
		to := netip.AddrPortFrom(a, 80)
		for uid, want := range map[uint32]string{1000: "proxy outbound " + to.String(), 2102: "app " + to.String()} {
			got, err := netnstest.Dial(pod, netnstest.DialOptions{UID: uid, To: to})
			if err != nil || got != want {
				t.Errorf("user %d: a connection to %s is answered by %q (%v), want %q", uid, to, got, err, want)
			}
		}
	}
}

// removeCgroups removes the control groups of the pods, which runc leaves a
// parent of.
func (d *containerd) removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/*"} {
		dirs, err := filepath.Glob(pattern + d.cgroup)
		if err != nil {
			d.t.Error(err)
		}
		for _, dir := range dirs {
			children, _ := filepath.Glob(dir + "/*/")
			for _, path := range append(children, dir) {
				if err := syscall.Rmdir(path); err != nil {
					d.t.Errorf("remove control group %s: %v", path, err)
				}
			}
		}
	}
}
