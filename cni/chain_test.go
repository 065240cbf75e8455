package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	cniexec "github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	"shunt/netns/netnstest"
)

// families are the addresses that a chain gives its pods.
type families struct {
	name   string
	v4, v6 bool
}

// testChain drives bridge, host-local, portmap and the program as the
// runtimes do: through libcni, in every version of the specification.
func testChain(t *testing.T, dir string) {
	plugins := pluginDir(t)
	netnstest.IDs(t, 2102)
	for _, version := range supported() {
		for _, f := range []families{{"IPv4", true, false}, {"IPv6", false, true}, {"both", true, true}} {
			t.Run(version+" "+f.name, func(t *testing.T) {
				t.Parallel()
				newChain(t, dir, plugins, version, f).test()
			})
		}
	}
}

// chain is a node with a chain of plugins, and a pod on it.
//
//	client ── node ── server
//	           │ cni0
//	          pod
type chain struct {
	*testing.T
	dir      string
	version  string
	families families
	top      *netnstest.Topology // its Pod is the node
	pod      *netnstest.NS
	cni      *libcni.CNIConfig
	list     *libcni.NetworkConfigList
	rt       *libcni.RuntimeConf
	pod4     netip.Addr // the pod's addresses, once it has them
	pod6     netip.Addr
}

func newChain(t *testing.T, dir, plugins, version string, f families) *chain {
	c := &chain{T: t, dir: dir, version: version, families: f, top: netnstest.NewTopology(t), pod: netnstest.New(t)}
	state := t.TempDir()
	path := []string{dir, adapters(t, plugins, version), plugins}
	// What the plugins say on standard error when they succeed.
	var log syncBuffer
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the plugins' log:\n%s", &log)
		}
	})
	c.cni = libcni.NewCNIConfigWithCacheDir(path, filepath.Join(state, "cache"), &cniexec.DefaultExec{RawExec: &cniexec.RawExec{Stderr: &log}})
	var ranges, routes []string
	if f.v4 {
		ranges, routes = append(ranges, `[{"subnet":"10.240.0.0/24"}]`), append(routes, `{"dst":"0.0.0.0/0"}`)
	}
	if f.v6 {
		ranges, routes = append(ranges, `[{"subnet":"fd00:240::/64"}]`), append(routes, `{"dst":"::/0"}`)
	}
	text := fmt.Sprintf(`{"cniVersion":%q,"name":"pods","plugins":[
		{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,"hairpinMode":true,
		 "ipam":{"type":"host-local","dataDir":%q,"ranges":[%s],"routes":[%s]}},
		{"type":"portmap","capabilities":{"portMappings":true},"snat":true},
		{"type":"linkerd-cni","capabilities":{"io.kubernetes.cri.pod-annotations":true},%s}]}`,
		version, filepath.Join(state, "addresses"), strings.Join(ranges, ","), strings.Join(routes, ","),
		strings.Replace(chart, `"ipv6": true`, fmt.Sprintf(`"ipv6": %v`, f.v6), 1))
	list, err := libcni.NetworkConfFromBytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c.list = list
	c.rt = &libcni.RuntimeConf{
		ContainerID: "0123abc", NetNS: c.pod.Path, IfName: "eth0",
		Args: [][2]string{{"IgnoreUnknown", "1"}, {"K8S_POD_NAMESPACE", "emojivoto"}, {"K8S_POD_NAME", "web-5f"}},
	}
	c.mesh(false)
	return c
}

// mesh sets the annotations with which the pod is added next.
func (c *chain) mesh(meshed bool, pairs ...string) {
	a := map[string]string{"kubernetes.io/config.source": "api"}
	if meshed {
		a["linkerd.io/proxy-version"] = "edge-25.1.1"
	}
	for i := 0; i < len(pairs); i += 2 {
		a[pairs[i]] = pairs[i+1]
	}
	c.rt.CapabilityArgs = map[string]any{
		"io.kubernetes.cri.pod-annotations": a,
		"portMappings":                      []map[string]any{{"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"}},
	}
}

// node calls f as a runtime on the node. libcni starts the plugins from the
// calling thread, so they are on the node, too.
func (c *chain) node(f func(context.Context) error) error {
	var err error
	c.top.Pod.Run(c, func() { err = f(c.Context()) })
	return err
}

func (c *chain) add() error {
	return c.node(func(ctx context.Context) error {
		res, err := c.cni.AddNetworkList(ctx, c.list, c.rt)
		if err != nil {
			return err
		}
		if v := res.Version(); v != c.version {
			c.Errorf("the result is of version %s", v)
		}
		full, err := types100.NewResultFromResult(res)
		if err != nil {
			return err
		}
		for _, ip := range full.IPs {
			a, _ := netip.AddrFromSlice(ip.Address.IP)
			if a = a.Unmap(); a.Is4() {
				c.pod4 = a
			} else {
				c.pod6 = a
			}
		}
		return nil
	})
}

func (c *chain) check() error {
	return c.node(func(ctx context.Context) error { return c.cni.CheckNetworkList(ctx, c.list, c.rt) })
}

func (c *chain) del() error {
	return c.node(func(ctx context.Context) error { return c.cni.DelNetworkList(ctx, c.list, c.rt) })
}

// succeed fails the test on an error.
func (c *chain) succeed(what string, err error) {
	c.Helper()
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

// answer checks who answers a connection.
func (c *chain) answer(from *netnstest.NS, uid uint32, to netip.AddrPort, want string) {
	c.Helper()
	got, err := netnstest.Dial(from, netnstest.DialOptions{UID: uid, To: to})
	if err != nil || got != want {
		c.Errorf("a connection to %s is answered by %q (%v), want %q", to, got, err, want)
	}
}

// traffic checks the connections of a pod that is, or is not, meshed.
func (c *chain) traffic(meshed bool) {
	c.Helper()
	for _, a := range []struct {
		pod, node, server netip.Addr
		used              bool
	}{
		{c.pod4, c.top.Pod.IPv4, c.top.Server.IPv4, c.families.v4},
		{c.pod6, c.top.Pod.IPv6, c.top.Server.IPv6, c.families.v6},
	} {
		if !a.used {
			continue
		}
		app, skipped, server := netip.AddrPortFrom(a.pod, 8080), netip.AddrPortFrom(a.pod, 4191), netip.AddrPortFrom(a.server, 80)
		inbound, outbound := "app "+app.String(), "app "+server.String()
		if meshed {
			inbound, outbound = "proxy inbound "+app.String(), "proxy outbound "+server.String()
		}
		c.answer(c.top.Client, 0, app, inbound)
		c.answer(c.top.Client, 0, netip.AddrPortFrom(a.node, 18080), inbound) // by portmap
		c.answer(c.top.Client, 0, skipped, "app "+skipped.String())
		c.answer(c.pod, 1000, server, outbound)
		c.answer(c.pod, 2102, server, "app "+server.String()) // the proxy's own
	}
}

func (c *chain) test() {
	anywhere := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Unspecified(), port) }
	netnstest.StartApp(c, c.top.Server, anywhere(80))
	netnstest.StartApp(c, c.pod, anywhere(8080))
	netnstest.StartApp(c, c.pod, anywhere(4191))
	netnstest.StartProxy(c, c.pod, 4143, 4140)

	c.succeed("add a pod that is not meshed", c.add())
	c.traffic(false)
	c.succeed("delete it", c.del())

	c.mesh(true, "config.linkerd.io/skip-outbound-ports", "3306, 5432-5433")
	c.succeed("add a meshed pod", c.add())
	before := ruleset(c, c.top.Pod)
	c.traffic(true)
	c.checks()
	c.init()
	c.onNode()
	if after := ruleset(c, c.top.Pod); after != before {
		c.Errorf("the node's own rules were\n%s\nand are\n%s", before, after)
	}
	for range 2 {
		c.succeed("delete", c.del())
		if rules := ruleset(c, c.pod); rules != "" {
			c.Errorf("after DEL:\n%s", rules)
		}
	}
	c.bad()
}

// checks looks for drift with CHECK, which the first version has not.
func (c *chain) checks() {
	if c.version == "0.3.1" {
		return
	}
	c.succeed("check", c.check())
	family := map[bool]string{true: "inet", false: "ip"}[c.families.v6]
	c.pod.Exec(c, "", "nft", "insert", "rule", family, "shunt", "outbound", "tcp", "dport", "8443", "accept")
	err := c.check()
	for _, text := range []string{"pod emojivoto/web-5f", "not those of the plan", "8443", "-\t"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			c.Errorf("after a change by hand, CHECK says %v, without %q", err, text)
		}
	}
}

// init runs Linkerd's init container, as the program under its name, after
// ADD: the rules converge to one set.
func (c *chain) init() {
	flags := []string{"-p", "4143", "-o", "4140", "-u", "2102", "--inbound-ports-to-ignore", "4190,4191", "--outbound-ports-to-ignore", "3306,5432-5433",
		fmt.Sprintf("--ipv6=%v", c.families.v6)}
	out := c.pod.Exec(c, "", filepath.Join(c.dir, "proxy-init"), flags...)
	if !strings.Contains(out, "replaced") && c.version != "0.3.1" || strings.Count(ruleset(c, c.pod), "table ") != 1 {
		c.Errorf("proxy-init says\n%s\nand the rules are\n%s", out, ruleset(c, c.pod))
	}
	c.traffic(true)
	if c.version != "0.3.1" {
		c.succeed("check after proxy-init", c.check())
	}
	if c.version != "1.0.0" {
		return
	}
	// The same with rules of legacy iptables, as Linkerd's own writes them;
	// the next ADD takes them over.
	c.pod.Exec(c, "", filepath.Join(c.dir, "proxy-init"), append(flags, "--iptables-mode", "legacy")...)
	c.traffic(true)
	if err := c.check(); err == nil {
		c.Error("CHECK says nothing of another backend's rules")
	}
	annotations, err := json.Marshal(c.rt.CapabilityArgs["io.kubernetes.cri.pod-annotations"])
	c.succeed("marshal", err)
	o := execute(c, c.top.Pod, filepath.Join(c.dir, "shunt"), podEnv("ADD", c.pod.Path),
		strings.Replace(realConf(`"runtimeConfig":{"io.kubernetes.cri.pod-annotations":`+string(annotations)+`}`), `"ipv6": true`, fmt.Sprintf(`"ipv6": %v`, c.families.v6), 1))
	o.ok(c)
	if !strings.Contains(o.stderr, "removed rules left by another backend") {
		c.Errorf("the log of ADD:\n%s", o.stderr)
	}
	c.succeed("check after take-over", c.check())
	c.traffic(true)
}

// onNode calls the verbs that are about the node.
func (c *chain) onNode() {
	if c.version != newest {
		return
	}
	c.succeed("status", c.node(func(ctx context.Context) error { return c.cni.GetStatusNetworkList(ctx, c.list) }))
	c.succeed("collect garbage", c.node(func(ctx context.Context) error {
		return c.cni.GCNetworkList(ctx, c.list, &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: c.rt.ContainerID, IfName: c.rt.IfName}}})
	}))
	c.traffic(true)
}

// bad adds a pod with an annotation that is wrong.
func (c *chain) bad() {
	c.mesh(true, "config.linkerd.io/skip-inbound-ports", "80,8o80")
	err := c.add()
	for _, text := range []string{`plugin type="linkerd-cni"`, "failed (add)", "pod emojivoto/web-5f", "config.linkerd.io/skip-inbound-ports", `"8o80"`, "want a number"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			c.Errorf("an ADD with a bad annotation says %v, without %q", err, text)
		}
	}
	if rules := ruleset(c, c.pod); rules != "" {
		c.Errorf("it left\n%s", rules)
	}
	c.succeed("delete what was added in part", c.del())
}
