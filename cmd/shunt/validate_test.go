package main

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"shunt/netns/netnstest"
)

// validateIn runs `shunt validate` in a namespace.
func validateIn(t *testing.T, ns *netnstest.NS, args ...string) (code int, stderr string) {
	t.Helper()
	ns.Run(t, func() { code, _, stderr = invoke("", append([]string{"validate"}, args...)...) })
	return code, stderr
}

func mustInit(t *testing.T, ns *netnstest.NS, args ...string) {
	t.Helper()
	if code, _, errs := invoke("", append([]string{"init", "--netns", ns.Path}, args...)...); code != exitDone {
		t.Fatalf("init: status %d: %s", code, errs)
	}
}

func TestValidateSaysThatAConnectionIsRedirected(t *testing.T) {
	t.Parallel()
	for _, backend := range [][]string{
		{"--backend", "nftables"},
		{"--backend", "iptables", "--iptables-mode", "nft"},
		{"--backend", "iptables", "--iptables-mode", "legacy"},
	} {
		t.Run(backend[len(backend)-1], func(t *testing.T) {
			t.Parallel()
			if backend[1] == "iptables" {
				netnstest.Tool(t, "iptables-"+backend[3])
				netnstest.IDs(t, 2102)
			}
			for _, args := range [][]string{
				{},
				{"--connect-addr", "[2001:db8::1]:20001", "--listen-addr", "[::]:4140"},
				{"--connect-addr", "1.1.1.1:20001", "--listen-addr", "[::]:4140"}, // both families at once
			} {
				// A pod each, because of those copies of the listening socket that
				// the children of other tests have until they execute their program.
				pod := netnstest.NewTopology(t).Pod
				mustInit(t, pod, append(backend, "--ipv6")...)
				if code, errs := validateIn(t, pod, args...); code != exitDone {
					t.Errorf("%q: status %d: %s", args, code, errs)
				}
			}
		})
	}
}

func TestValidateSaysWhyAConnectionIsNotRedirected(t *testing.T) {
	t.Parallel()
	top := netnstest.NewTopology(t)
	netnstest.StartApp(t, top.Server, netip.MustParseAddrPort("[::]:80"))
	// A port each: the child of another test has a copy of the listening socket
	// until it executes its program.
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"nobody there", []string{"--listen-addr", "0.0.0.0:4141"}, "(no answer): the pod has no rules, or they let it bypass the proxy"},
		{"nothing listens", []string{"--listen-addr", "0.0.0.0:4142", "--connect-addr", "198.51.100.1:20001"}, "(connection refused): the pod has no rules"},
		{"a server there", []string{"--listen-addr", "0.0.0.0:4143", "--connect-addr", "198.51.100.1:80"}, "(something else answered): the pod has no rules"},
		{"a server there, by IPv6", []string{"--connect-addr", "[2001:db8::1]:80", "--listen-addr", "[::]:4144"}, "(something else answered)"},
	} {
		if code, errs := validateIn(t, top.Pod, append(test.args, "--timeout", "300ms")...); code != exitNotValid || !strings.Contains(errs, test.want) {
			t.Errorf("%s: status %d: %s", test.name, code, errs)
		}
	}

	// The proxy's own user is not redirected, and skipped ports are not.
	mustInit(t, top.Pod, "--skip-outbound-ports", "20001")
	if code, errs := validateIn(t, top.Pod, "--connect-addr", "198.51.100.1:20001", "--timeout", "300ms"); code != exitNotValid {
		t.Errorf("skipped port: status %d: %s", code, errs)
	}
	mustInit(t, top.Pod, "--proxy-uid", "0")
	if code, errs := validateIn(t, top.Pod, "--timeout", "300ms"); code != exitNotValid {
		t.Errorf("the proxy's user: status %d: %s", code, errs)
	}

	// Rules that redirect to another port are not those of this proxy.
	mustInit(t, top.Pod, "--outbound-port", "5140")
	if code, errs := validateIn(t, top.Pod, "--timeout", "300ms"); code != exitNotValid {
		t.Errorf("another port: status %d: %s", code, errs)
	}

	// A pod without a way out.
	if code, errs := validateIn(t, netnstest.New(t), "--timeout", "300ms"); code != exitNotValid || !strings.Contains(errs, "(network is unreachable): give --connect-addr") {
		t.Errorf("no route: status %d: %s", code, errs)
	}

	// Where nothing can listen, the rules are not to blame.
	for _, addr := range []string{"10.9.9.9:4140", "[fe80::1]:4140"} {
		code, errs := validateIn(t, top.Pod, "--listen-addr", addr, "--connect-addr", map[bool]string{true: "[2001:db8::1]:80", false: "198.51.100.1:80"}[addr[0] == '['])
		if code != exitNotValid || !strings.Contains(errs, "listen at "+addr+": ") || !strings.Contains(errs, "give --listen-addr") || strings.Contains(errs, "rules") {
			t.Errorf("listening at %s: status %d: %s", addr, code, errs)
		}
	}
	if code, errs := validateIn(t, top.Pod, "--listen-addr", "[::]:4140", "--connect-addr", "[fe80::1%lo]:80"); code != exitRejected || !strings.Contains(errs, "is of one link only") {
		t.Errorf("a link-local address: status %d: %s", code, errs)
	}

	// The proxy runs already.
	busy := netnstest.New(t)
	netnstest.StartApp(t, busy, netip.MustParseAddrPort("[::]:4140"))
	if code, errs := validateIn(t, busy); code != exitNotValid || !strings.Contains(errs, "listen at 0.0.0.0:4140: address already in use: the proxy listens there already") {
		t.Errorf("port in use: status %d: %s", code, errs)
	}
}

// A pod that waits for its rules goes on when they come: repair relies on it.
func TestValidateSeesRulesThatComeWhileItTries(t *testing.T) {
	t.Parallel()
	pod := netnstest.NewTopology(t).Pod
	errs := &trigger{on: "not redirected", do: func() { mustInit(t, pod) }}
	code := -1
	pod.Run(t, func() {
		code = run(context.Background(), system{
			args:      []string{"validate", "--timeout", "1m", "--log-level", "debug"},
			lookupEnv: func(string) (string, bool) { return "", false },
			stderr:    errs,
		})
	})
	if code != exitDone || errs.do != nil || !strings.Contains(errs.String(), "the connection was redirected") {
		t.Errorf("status %d: %s", code, errs)
	}
}

// trigger is a log that does something once, when a line has a text.
type trigger struct {
	bytes.Buffer
	on string
	do func()
}

func (w *trigger) Write(line []byte) (int, error) {
	if do := w.do; do != nil && bytes.Contains(line, []byte(w.on)) {
		w.do = nil
		do()
	}
	return w.Buffer.Write(line)
}
