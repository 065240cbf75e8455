// Demo shows shunt at work between throwaway network namespaces: a client, a
// pod with a stand-in proxy, and a server. Its argument is the binary. It
// needs root or user namespaces and a kernel with nf_tables, and leaves nothing
// behind.
package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"shunt/netns/netnstest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: demo path/to/shunt")
		os.Exit(2)
	}
	if os.Geteuid() != 0 {
		os.Exit(asRootOfItsOwn())
	}
	d := &demo{shunt: os.Args[1]}
	defer d.end()
	d.run()
}

// asRootOfItsOwn runs the demo again in a user namespace, as root there.
func asRootOfItsOwn() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo: this needs root, or user namespaces:", err)
		return 1
	}
	return 0
}

// demo is the stage. The namespaces are those of the tests, for which it
// stands in as a testing.TB.
type demo struct {
	testing.TB
	shunt    string
	cleanups []func()
	failed   bool
}

func (d *demo) Helper()          {}
func (d *demo) Cleanup(f func()) { d.cleanups = append(d.cleanups, f) }
func (d *demo) Name() string     { return "demo" }

func (d *demo) Errorf(format string, args ...any) {
	fmt.Printf("demo: "+format+"\n", args...)
	d.failed = true
}

func (d *demo) Fatalf(format string, args ...any) {
	d.Errorf(format, args...)
	d.end()
}

func (d *demo) Fatal(args ...any)                { d.Fatalf("%s", fmt.Sprint(args...)) }
func (d *demo) Skipf(format string, args ...any) { d.Fatalf(format, args...) }
func (d *demo) Logf(format string, args ...any)  { fmt.Printf(format+"\n", args...) }
func (d *demo) Setenv(name, value string)        { _ = os.Setenv(name, value) }

func (d *demo) end() {
	for i := len(d.cleanups) - 1; i >= 0; i-- {
		d.cleanups[i]()
	}
	if d.failed {
		os.Exit(1)
	}
	os.Exit(0)
}

func (d *demo) run() {
	top := netnstest.NewTopology(d)
	netnstest.StartProxy(d, top.Pod, 4143, 4140)
	for _, ns := range []*netnstest.NS{top.Pod, top.Server} {
		for _, port := range []uint16{3306, 8080} {
			netnstest.StartApp(d, ns, netip.AddrPortFrom(netip.IPv6Unspecified(), port))
		}
	}
	skip := []string{"--skip-ports", "3306", "--ipv6"}

	d.say("The plan: port 3306 is a database's and bypasses the proxy, both ways.")
	d.command(top.Pod, append([]string{"plan", "-o", "table"}, skip...)...)
	d.say("Applied in the pod's network namespace, in two commits, and read back.")
	d.command(top.Pod, append([]string{"init"}, skip...)...)

	d.say("Connections now. The stand-in proxy says which destination it was meant for.")
	d.connect("client to pod", top.Client, 0, netip.AddrPortFrom(top.Pod.IPv4, 8080), "proxy inbound")
	d.connect("client to pod, skipped port", top.Client, 0, netip.AddrPortFrom(top.Pod.IPv4, 3306), "app")
	d.connect("client to pod, IPv6", top.Client, 0, netip.AddrPortFrom(top.Pod.IPv6, 8080), "proxy inbound")
	d.connect("pod to server", top.Pod, 0, netip.AddrPortFrom(top.Server.IPv4, 8080), "proxy outbound")
	d.connect("pod to server, skipped port", top.Pod, 0, netip.AddrPortFrom(top.Server.IPv4, 3306), "app")
	if text, err := os.ReadFile("/proc/self/uid_map"); err == nil && strings.Contains(string(text), "4294967295") {
		d.connect("the proxy (uid 2102) to server", top.Pod, 2102, netip.AddrPortFrom(top.Server.IPv4, 8080), "app")
	}

	d.say("A second run changes nothing, and nothing differs from the plan.")
	d.command(top.Pod, append([]string{"init"}, skip...)...)
	d.command(top.Pod, append([]string{"diff"}, skip...)...)
}

func (d *demo) say(text string) { fmt.Printf("\n# %s\n", text) }

// command runs shunt in a namespace and shows what a terminal would.
func (d *demo) command(ns *netnstest.NS, args ...string) {
	fmt.Println("$ shunt", strings.Join(args, " "))
	cmd := exec.Command(d.shunt, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := ns.Do(cmd.Run); err != nil {
		d.Fatalf("shunt %s: %v", args[0], err)
	}
}

func (d *demo) connect(what string, from *netnstest.NS, uid uint32, to netip.AddrPort, want string) {
	answer, err := netnstest.Dial(from, netnstest.DialOptions{UID: uid, To: to})
	if err != nil || !strings.HasPrefix(answer, want) {
		d.Fatalf("%s: %s answered %q, %v; want %s", what, to, answer, err, want)
	}
	fmt.Printf("%-32s %-22s answered by: %s\n", what, to, answer)
}
