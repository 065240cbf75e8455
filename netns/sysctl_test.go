package netns_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
)

const closeWait = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"

func TestWriteSysctlInTheThreadsNamespace(t *testing.T) {
	t.Parallel()
	ns, other := netnstest.New(t), netnstest.New(t)
	read := func(ns *netnstest.NS, path string) string {
		var text []byte
		err := ns.Do(func() (err error) { text, err = os.ReadFile(path); return err })
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	for _, n := range []*netnstest.NS{ns, other} { // loads conntrack
		n.Exec(t, "table inet t {\nchain c {\ntype filter hook output priority 0\nct state new accept\n}\n}\n", "nft", "-f", "-")
	}
	const path = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait"
	before := read(other, path)
	ns.Run(t, func() {
		if err := netns.WriteSysctl(closeWait, "3607"); err != nil {
			t.Error(err)
		}
	})
	if got := read(ns, path); got != "3607" {
		t.Errorf("it reads %s after 3607 was written", got)
	}
	if got := read(other, path); got != before {
		t.Errorf("another namespace's went from %s to %s", before, got)
	}
}

func TestWriteSysctlErrors(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	for _, test := range []struct {
		name, sysctl, value string
		want                string
		is                  error
	}{
		{"no such setting", "net.ipv4.no_such", "1", "this kernel, or this namespace, has no such setting", fs.ErrNotExist},
		{"no such conntrack setting", "net.netfilter.nf_conntrack_no_such", "1", "connection tracking (nf_conntrack) is not loaded", fs.ErrNotExist},
		{"a value that is no number", "net.ipv4.ip_forward", "abc", "the kernel does not accept this value", unix.EINVAL},
		{"not below net", "kernel.hostname", "x", "not the name of a network setting", nil},
		{"a path", "net/ipv4/ip_forward", "1", "not the name of a network setting", nil},
		{"a way out", "net...kernel.hostname", "x", "not the name of a network setting", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := ns.Do(func() error { return netns.WriteSysctl(test.sysctl, test.value) })
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.sysctl) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
		})
	}
	t.Run("read-only, as in a container", func(t *testing.T) {
		child := start(t, ns, "sysctl-read-only net.ipv4.ip_default_ttl", syscall.CLONE_NEWNS)
		if !strings.Contains(child.says, "read-only file system: /proc/sys is mounted read-only here") {
			t.Error(child.says)
		}
	})
	t.Run("another user without NET_ADMIN", func(t *testing.T) {
		const nobody = 65534
		netnstest.IDs(t, nobody)
		err := ns.Do(func() error {
			setEUID(t, nobody)
			defer setEUID(t, 0)
			return netns.WriteSysctl("net.ipv4.ip_default_ttl", "7")
		})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "this needs CAP_NET_ADMIN") {
			t.Errorf("error %v", err)
		}
	})
}
