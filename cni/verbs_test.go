package cni

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/apply"
	"shunt/config"
	"shunt/iptables"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/nftables"
)

func TestAddAppliesTheRulesOfAMeshedPod(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	f := &fakeRules{result: apply.Result{Backend: "nftables", Reason: "asked for", Changed: true, Commits: 2, Rules: 7}}
	o := invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(chart, injected()))
	o.ok(t)
	if o.stdout != prev {
		t.Errorf("the result is\n%s\nwant the previous one, byte for byte:\n%s", o.stdout, prev)
	}
	if !slices.Equal(f.calls, []string{"apply"}) || f.netns != pod.ID() {
		t.Errorf("calls %v in %s, want one apply in %s", f.calls, f.netns, pod.ID())
	}
	if lines := strings.Count(o.stderr, "\n") - strings.Count(o.stderr, "it cannot be told for certain"); lines != 1 {
		t.Errorf("%d lines of log, want one:\n%s", lines, o.stderr)
	}
	for _, text := range []string{"msg=add", "pod=emojivoto/web-5f", "container=0123abc", "netns=" + pod.Path, "decision=meshed",
		"backend=nftables", "commits=2", "changed=true", "rules=7", "took="} {
		if !strings.Contains(o.stderr, text) {
			t.Errorf("the log does not say %s:\n%s", text, o.stderr)
		}
	}
}

func TestAddWarnsOfIPv6ThatBypassesTheProxy(t *testing.T) {
	t.Parallel()
	for _, bypassed := range []bool{true, false} {
		f := &fakeRules{result: apply.Result{Backend: "nftables", Bypassed: bypassed}}
		o := invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path), conf(chart, injected()))
		o.ok(t)
		if warned := strings.Contains(o.stderr, "its IPv6 connections bypass the proxy"); warned != bypassed {
			t.Errorf("bypassed: %t, and the log is\n%s", bypassed, o.stderr)
		}
	}
}

func TestAddLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, args, members, decision string
	}{
		{"annotations, but not the one", "", annotations("linkerd.io/inject", "enabled"), "not meshed"},
		{"the version that a pod asks for is no proxy", "", annotations("config.linkerd.io/proxy-version", "edge-25.1.1"), "not meshed"},
		{"no annotations, as null", "", `"runtimeConfig":{"io.kubernetes.cri.pod-annotations":null}`, "not meshed"},
		{"no annotations, as an empty object", "", annotations(), "not meshed"},
		{"a namespace that is never touched", "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns", injected(), "excluded namespace"},
		{"a namespace that is never touched, and no annotations", "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns", `"x":1`, "excluded namespace"},
		{"another namespace that is never touched", "", `"exclude-namespaces":["emojivoto"],` + injected(), "excluded namespace"},
		{"the same, in the block", "", `"linkerd":{"exclude-namespaces":"kube-system, emojivoto"},` + injected(), "excluded namespace"},
		{"no pod, and no annotations", "IgnoreUnknown=1", `"x":1`, "no pod"},
		{"no arguments at all", "-", `"x":1`, "no pod"},
		// What concerns meshed pods only keeps no other pod from starting.
		{"a wrong value in the block", "", `"linkerd":{"proxy-uid":"x"},` + annotations(), "not meshed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeRules{}
			e := podEnv("ADD", "/no/such/namespace") // it is not even looked at
			switch tc.args {
			case "":
			case "-":
				e = e.with("CNI_ARGS", "")
			default:
				e = e.with("CNI_ARGS", tc.args)
			}
			o := invoke(t, f.plugin(), e, conf(tc.members))
			o.ok(t)
			if o.stdout != prev || f.calls != nil {
				t.Errorf("result %s, calls %v", o.stdout, f.calls)
			}
			if !strings.Contains(o.stderr, tc.decision) {
				t.Errorf("the log does not say %q:\n%s", tc.decision, o.stderr)
			}
		})
	}
}

func TestAnAnnotatedPodIsMeshedWithoutAName(t *testing.T) {
	t.Parallel()
	f := &fakeRules{}
	invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path).with("CNI_ARGS", ""), conf(injected())).ok(t)
	if !slices.Equal(f.calls, []string{"apply"}) {
		t.Errorf("calls %v", f.calls)
	}
}

func TestUnknownWhetherMeshed(t *testing.T) {
	t.Parallel()
	for _, members := range []string{`"x":1`, `"runtimeConfig":{}`, `"runtimeConfig":null`, `"runtimeConfig":{"portMappings":[]}`,
		// Everything that may be excluded, but not this.
		`"exclude-namespaces":[]`} {
		f := &fakeRules{}
		e := podEnv("ADD", "/x")
		if strings.Contains(members, "exclude") {
			e = e.with("CNI_ARGS", "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=web-5f")
		}
		invoke(t, f.plugin(), e, conf(members)).fails(t, types.ErrTryAgainLater, "/web-5f",
			`runtimeConfig["io.kubernetes.cri.pod-annotations"]`, `"capabilities": {"io.kubernetes.cri.pod-annotations": true}`)
		if f.calls != nil {
			t.Errorf("%s: calls %v", members, f.calls)
		}
	}
}

func TestAFailedApplyIsAnErrorThatSaysEverything(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	f := &fakeRules{err: fmt.Errorf("add table: %w", errKernel)}
	invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(injected())).
		fails(t, types.ErrInternal, "pod emojivoto/web-5f", "add table: the kernel said no")
	f = &fakeRules{err: fmt.Errorf("lock: %w", netns.ErrLocked)}
	invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(injected())).fails(t, types.ErrTryAgainLater, "another process holds the lock", "lock-timeout")
	f = &fakeRules{err: &config.InputError{Err: fmt.Errorf("apply nat: more than 5000 rules in one chain")}}
	invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(injected())).fails(t, types.ErrInvalidNetworkConfig, "more than 5000 rules")
	f = &fakeRules{err: &apply.Unverified{Backend: "nftables", Diff: "-live\n+plan\n"}}
	invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(injected())).
		fails(t, types.ErrInternal, "verify", "-live\n+plan\n")
}

// What a retry cannot mend says what does, in terms of the network configuration
// and of the pod.
func TestAnErrorThatComesAgainSaysWhatToDo(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	const native = `shunt's own nftables backend: "iptables-mode": "nft"`
	for _, tc := range []struct {
		err  error
		code uint
		want string
	}{
		{iptables.ErrUserNamespace, types.ErrInternal, native},
		{iptables.ErrMissingCommand, types.ErrInternal, native},
		{iptables.ErrMixedVariants, types.ErrInternal, native},
		{iptables.ErrIncompatible, types.ErrInternal, native},
		{iptables.ErrSocketBuffer, types.ErrInternal, native},
		{&config.InputError{Err: iptables.ErrTooManyRules}, types.ErrInvalidNetworkConfig, native},
		{&config.InputError{Err: nftables.ErrTooManyRanges}, types.ErrInvalidNetworkConfig, "fewer or wider ranges"},
		{nftables.ErrOwned, types.ErrInternal, "end the program that owns the table"},
	} {
		f := &fakeRules{err: fmt.Errorf("apply: %w", tc.err)}
		invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(injected())).fails(t, tc.code, tc.want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	f := &fakeRules{}
	o := invoke(t, f.plugin(), podEnv("CHECK", pod.Path), conf(injected()))
	o.ok(t)
	if o.stdout != "" || !slices.Equal(f.calls, []string{"compare"}) {
		t.Errorf("output %q, calls %v", o.stdout, f.calls)
	}
	f = &fakeRules{cmp: drifted()}
	invoke(t, f.plugin(), podEnv("CHECK", pod.Path), conf(injected())).
		fails(t, codeDrift, "pod emojivoto/web-5f", "-\ttype nat hook prerouting priority 0;", "+\ttype nat hook prerouting priority -100;")
	f = &fakeRules{err: errKernel}
	invoke(t, f.plugin(), podEnv("CHECK", pod.Path), conf(injected())).fails(t, types.ErrInternal, "the kernel said no")
	f = &fakeRules{cmp: drifted()}
	invoke(t, f.plugin(), podEnv("CHECK", pod.Path), conf(annotations())).ok(t)
	if f.calls != nil {
		t.Errorf("a pod that is not meshed was looked at: %v", f.calls)
	}
}

func TestSimulateWritesNothing(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	for _, simulate := range []string{`"linkerd":{"simulate":true}`} {
		f := &fakeRules{cmp: drifted()}
		o := invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(simulate, injected()))
		o.ok(t)
		if !slices.Equal(f.calls, []string{"compare"}) || o.stdout != prev {
			t.Errorf("calls %v, result %s", f.calls, o.stdout)
		}
		for _, text := range []string{"decision=simulated", "priority -100"} {
			if !strings.Contains(o.stderr, text) {
				t.Errorf("the log does not say %q:\n%s", text, o.stderr)
			}
		}
		for _, verb := range []string{"CHECK", "DEL"} {
			f = &fakeRules{cmp: drifted()}
			invoke(t, f.plugin(), podEnv(verb, pod.Path), conf(simulate, injected())).ok(t)
			if f.calls != nil {
				t.Errorf("%s: calls %v", verb, f.calls)
			}
		}
	}
}

func TestDelRemovesWhatIsThere(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	for _, tc := range []struct {
		name, stdin string
		env         env
		clears      bool
	}{
		{"a meshed pod", conf(injected()), podEnv("DEL", pod.Path), true},
		{"a bad annotation", conf(injected("config.linkerd.io/skip-subnets", "x")), podEnv("DEL", pod.Path), true},
		{"not known", conf(), podEnv("DEL", pod.Path), true},
		{"garbage", "garbage", podEnv("DEL", pod.Path), true},
		{"nothing", "", podEnv("DEL", pod.Path), true},
		{"another version", strings.Replace(conf(), "1.0.0", "9.9.9", 1), podEnv("DEL", pod.Path), true},
		{"a wrong type", conf(`"linkerd":"x"`), podEnv("DEL", pod.Path), true},
		{"a wrong timeout", conf(`"timeout":-3`), podEnv("DEL", pod.Path), true},
		{"annotations of a wrong type", conf(`"runtimeConfig":{"io.kubernetes.cri.pod-annotations":7}`), podEnv("DEL", pod.Path), true},
		{"not meshed", conf(annotations()), podEnv("DEL", pod.Path), false},
		{"excluded", conf(`"exclude-namespaces":["emojivoto"]`), podEnv("DEL", pod.Path), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeRules{}
			o := invoke(t, f.plugin(), tc.env, tc.stdin)
			o.ok(t)
			if cleared := slices.Equal(f.calls, []string{"clear"}); cleared != tc.clears || len(f.calls) > 1 || o.stdout != "" {
				t.Errorf("calls %v, output %q\n%s", f.calls, o.stdout, o.stderr)
			}
			if strings.Count(o.stderr, "msg=del ") != 1 {
				t.Errorf("want one line about it:\n%s", o.stderr)
			}
		})
	}
}

func TestDelSucceedsWhateverComes(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	for _, stdin := range []string{conf(injected()), "", "{", "[]", "null", `{"name":"","cniVersion":"1.0.0"}`, strings.Repeat("x", 10<<20)} {
		for _, e := range []env{
			podEnv("DEL", ""), podEnv("DEL", "/no/such/namespace"), podEnv("DEL", "/etc/passwd"), podEnv("DEL", "/proc/self/ns/mnt"),
			podEnv("DEL", pod.Path).with("CNI_ARGS", "malformed"),
			podEnv("DEL", pod.Path).with("CNI_CONTAINERID", ""), podEnv("DEL", pod.Path).with("CNI_CONTAINERID", "../x"),
			podEnv("DEL", pod.Path).with("CNI_IFNAME", ""), {"CNI_COMMAND": "DEL"},
		} {
			f := &fakeRules{}
			o := invokeReader(t, f.plugin(), e, strings.NewReader(stdin))
			if o.status != 0 || o.stdout != "" {
				t.Errorf("%v: status %d, output %s", e, o.status, o.stdout)
			}
			if f.calls != nil {
				t.Errorf("%v: calls %v", e, f.calls)
			}
			if o.stderr == "" {
				t.Errorf("%v: nothing is logged", e)
			}
		}
	}
	for name, f := range map[string]*fakeRules{
		"fails":  {err: errKernel},
		"panics": {do: func(context.Context) { panic("at the disco") }},
	} {
		o := invoke(t, f.plugin(), podEnv("DEL", pod.Path), conf(injected()))
		if o.status != 0 || o.stdout != "" || !strings.Contains(o.stderr, "level=WARN") {
			t.Errorf("%s: status %d, output %s, log %s", name, o.status, o.stdout, o.stderr)
		}
	}
}

func TestGC(t *testing.T) {
	t.Parallel()
	f := &fakeRules{}
	stdin := strings.Replace(conf(`"cni.dev/valid-attachments":[]`), "1.0.0", "1.1.0", 1)
	invoke(t, f.plugin(), env{"CNI_COMMAND": "GC", "CNI_PATH": "/opt/cni/bin"}, stdin).ok(t)
	invoke(t, f.plugin(), env{"CNI_COMMAND": "GC"}, stdin).ok(t)
	invoke(t, f.plugin(), env{"CNI_COMMAND": "GC"}, conf()).fails(t, types.ErrIncompatibleCNIVersion, "1.0.0", "GC")
	if f.calls != nil {
		t.Errorf("calls %v", f.calls)
	}
}

// A runtime asks all the time, and a failure makes the node NotReady.
func TestStatusOnlyReads(t *testing.T) {
	t.Parallel()
	stdin := strings.Replace(conf(chart), "1.0.0", "1.1.0", 1)
	f := &fakeRules{}
	invoke(t, f.plugin(), env{"CNI_COMMAND": "STATUS"}, stdin).ok(t)
	if !slices.Equal(f.calls, []string{"usable"}) {
		t.Errorf("calls %v, want a look at what is usable", f.calls)
	}
	if got := settings(f.cfg)["skip-inbound-ports"]; got != "4190-4191" {
		t.Errorf("it asked with rules that skip %s, want those of the configuration", got)
	}
	f = &fakeRules{err: errKernel}
	invoke(t, f.plugin(), env{"CNI_COMMAND": "STATUS"}, stdin).fails(t, types.ErrPluginNotAvailable, "the kernel said no")
	f = &fakeRules{do: func(context.Context) { panic("at the disco") }}
	invoke(t, f.plugin(), env{"CNI_COMMAND": "STATUS"}, stdin).fails(t, types.ErrInternal, "panic: at the disco")
	f = &fakeRules{}
	invoke(t, f.plugin(), env{"CNI_COMMAND": "STATUS"}, strings.Replace(stdin, "4140", "0", 1)).fails(t, types.ErrInvalidNetworkConfig, "outgoing-proxy-port")
	invoke(t, f.plugin(), env{"CNI_COMMAND": "STATUS"}, conf()).fails(t, types.ErrIncompatibleCNIVersion, "STATUS")
}

func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	f := &fakeRules{do: func(context.Context) { panic("at the disco") }}
	o := invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path), conf(injected()))
	o.fails(t, types.ErrInternal, "panic: at the disco")
	if !strings.Contains(o.stderr, "verbs_test.go") {
		t.Errorf("the log has no stack:\n%s", o.stderr)
	}
}

func TestTheTimeIsBounded(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t)
	t.Run("by what heeds it", func(t *testing.T) {
		t.Parallel()
		f := &fakeRules{err: errKernel, do: func(ctx context.Context) { <-ctx.Done() }}
		invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(`"timeout":"10ms"`, injected())).
			fails(t, types.ErrTryAgainLater, "10ms", "timeout", "the kernel said no")
	})
	forever := func(context.Context) { select {} }
	t.Run("by what does not", func(t *testing.T) {
		t.Parallel()
		f := &fakeRules{do: forever}
		invoke(t, f.plugin(), podEnv("ADD", pod.Path), conf(`"timeout":"10ms"`, injected())).
			fails(t, types.ErrTryAgainLater, "ADD did not end", "timeout")
	})
	t.Run("for DEL, which succeeds", func(t *testing.T) {
		t.Parallel()
		f := &fakeRules{do: forever}
		invoke(t, f.plugin(), podEnv("DEL", pod.Path), conf(`"timeout":"10ms"`, injected())).ok(t)
	})
	t.Run("by a runtime that never ends its input", func(t *testing.T) {
		t.Parallel()
		var out syncBuffer
		ended := make(chan int, 1)
		r := &run{Plugin: (&fakeRules{}).plugin(), getenv: func(name string) string { return podEnv("ADD", pod.Path)[name] },
			stdin: blocked{}, stdout: &out, stderr: io.Discard, exit: func(status int) { ended <- status }, bound: 10 * time.Millisecond}
		go r.main()
		if status := <-ended; status != 1 || !strings.Contains(out.String(), "did not end") {
			t.Errorf("status %d, output %s", status, &out)
		}
	})
}

// blocked is an input that never comes.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }

func TestAResultThatCannotBeWrittenIsAFailure(t *testing.T) {
	t.Parallel()
	r := &run{Plugin: (&fakeRules{}).plugin(), getenv: func(name string) string { return podEnv("ADD", "/x")[name] },
		stdin: strings.NewReader(conf(annotations())), stdout: full{}, stderr: io.Discard, bound: time.Minute}
	status := -1
	r.exit = func(s int) { status = s }
	r.main()
	if status != 1 {
		t.Errorf("status %d", status)
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestVersion(t *testing.T) {
	t.Parallel()
	o := invoke(t, (&fakeRules{}).plugin(), env{"CNI_COMMAND": "VERSION"}, `{"cniVersion":"0.4.0"}`)
	o.ok(t)
	if want := `{"cniVersion":"1.1.0","supportedVersions":["0.3.1","0.4.0","1.0.0","1.1.0"]}`; o.stdout != want {
		t.Errorf("it says %s, want %s", o.stdout, want)
	}
}
