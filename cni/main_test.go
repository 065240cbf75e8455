package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/apply"
	"shunt/config"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/redirect"
)

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case LogWriter:
		os.Exit(WriteLog(os.Args[1]))
	case hungDisk:
		os.Exit(playHungDisk(os.Args[1], os.Args[2]))
	}
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // for the plugins that look for iptables
	os.Exit(netnstest.Run(m))
}

// fakeRules stands in for the rules of a pod. It notes what it is asked for.
type fakeRules struct {
	mu     sync.Mutex
	calls  []string
	cfg    config.Config // of the last call
	netns  string
	result apply.Result
	cmp    apply.Comparison
	err    error
	do     func(context.Context) // what a call does before it returns
}

func (f *fakeRules) plugin() *Plugin {
	return &Plugin{
		Socket: "/no/such/agent.sock",
		open: func(ns *netns.NS, cfg config.Config, _ redirect.Options) Rules {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.cfg, f.netns = cfg, ns.ID()
			return f
		},
	}
}

func (f *fakeRules) call(ctx context.Context, name string) {
	f.mu.Lock()
	f.calls = append(f.calls, name)
	f.mu.Unlock()
	if f.do != nil {
		f.do(ctx)
	}
}

func (f *fakeRules) Apply(ctx context.Context) (apply.Result, error) {
	f.call(ctx, "apply")
	return f.result, f.err
}

func (f *fakeRules) Compare(ctx context.Context) (apply.Comparison, error) {
	f.call(ctx, "compare")
	return f.cmp, f.err
}

func (f *fakeRules) Usable(ctx context.Context) (string, error) {
	f.call(ctx, "usable")
	return "nftables", f.err
}

func (f *fakeRules) Clear(ctx context.Context) (int, []apply.ID, error) {
	f.call(ctx, "clear")
	return 1, []apply.ID{apply.NFTables}, f.err
}

// outcome is how a call ended.
type outcome struct {
	status         int
	stdout, stderr string
	err            *types.Error // what standard output says, nil for a result
	version        string       // of the error
}

// env is the environment of a call.
type env map[string]string

// podEnv is what a runtime sets for a pod.
func podEnv(verb, netns string) env {
	return env{
		"CNI_COMMAND": verb, "CNI_CONTAINERID": "0123abc", "CNI_IFNAME": "eth0", "CNI_NETNS": netns, "CNI_PATH": "/opt/cni/bin",
		"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=emojivoto;K8S_POD_NAME=web-5f;K8S_POD_INFRA_CONTAINER_ID=0123abc;K8S_POD_UID=1-2",
	}
}

// with returns the environment with one variable changed.
func (e env) with(name, value string) env {
	changed := env{}
	for k, v := range e {
		changed[k] = v
	}
	changed[name] = value
	return changed
}

// invoke runs the plugin in this process.
func invoke(t testing.TB, p *Plugin, e env, stdin string) outcome {
	t.Helper()
	return invokeReader(t, p, e, iotest.OneByteReader(strings.NewReader(stdin)))
}

func invokeReader(t testing.TB, p *Plugin, e env, stdin io.Reader) outcome {
	t.Helper()
	var out, errs syncBuffer
	statuses := make(chan int, 2)
	r := &run{
		Plugin: p,
		getenv: func(name string) string { return e[name] },
		stdin:  stdin, stdout: &out, stderr: &errs,
		exit:  func(status int) { statuses <- status },
		bound: time.Minute,
	}
	go r.main()
	status := <-statuses
	return outcomeOf(t, status, out.String(), errs.String())
}

// outcomeOf decodes what was printed.
func outcomeOf(t testing.TB, status int, stdout, stderr string) outcome {
	t.Helper()
	o := outcome{status: status, stdout: stdout, stderr: stderr}
	if o.status == 0 {
		return o
	}
	var report struct {
		CNIVersion string
		types.Error
	}
	if err := json.Unmarshal([]byte(o.stdout), &report); err != nil {
		t.Errorf("status %d, and standard output is no error: %v\n%s%s", status, err, stdout, stderr)
	}
	o.err, o.version = &report.Error, report.CNIVersion
	return o
}

// syncBuffer is a buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// ok fails the test unless the call succeeded.
func (o outcome) ok(t testing.TB) {
	t.Helper()
	if o.status != 0 {
		t.Fatalf("status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
}

// fails fails the test unless the call ended in this error.
func (o outcome) fails(t testing.TB, code uint, texts ...string) {
	t.Helper()
	if o.status == 0 {
		t.Fatalf("it succeeded, want code %d and %q\n%s%s", code, texts, o.stdout, o.stderr)
	}
	if o.err.Code != code {
		t.Errorf("code %d, want %d: %s", o.err.Code, code, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.err.Error(), text) {
			t.Errorf("the error is\n%s\nwhich does not say\n%s", o.err, text)
		}
	}
}

// prev is the result of a plugin that made an interface.
const prev = `{"cniVersion": "1.0.0", "interfaces":[{"name":"eth0"}],  "ips":[{"address":"10.22.0.5/16","interface":0}], "dns":{}}`

// annotations is the runtimeConfig of a pod with these annotations.
func annotations(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return `"runtimeConfig":{"io.kubernetes.cri.pod-annotations":` + string(b) + `}`
}

// injected is the runtimeConfig of a meshed pod, with further annotations.
func injected(pairs ...string) string {
	return annotations(append([]string{"linkerd.io/proxy-version", "edge-25.1.1"}, pairs...)...)
}

// conf is a network configuration with these members.
func conf(members ...string) string {
	return `{"cniVersion":"1.0.0","name":"k8s-pod-network","type":"linkerd-cni",` +
		strings.Join(append(members, `"prevResult":`+prev), ",") + `}`
}

// chart is the linkerd block as the Helm chart of linkerd2-cni writes it.
const chart = `"log_level":"info","kubernetes":{"kubeconfig":"/etc/cni/net.d/ZZZ-linkerd-cni-kubeconfig"},"linkerd":{
	"incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "ports-to-redirect": [],
	"inbound-ports-to-ignore": ["4190","4191"], "simulate": false, "use-wait-flag": false, "iptables-mode": "nft", "ipv6": true}`

// drifted is a comparison that finds a difference.
func drifted() apply.Comparison {
	return apply.Comparison{Backend: "nftables",
		Live: apply.State{Sections: []apply.Section{{Place: apply.Place{Table: "shunt", Chain: "inbound"}, Spec: "type nat hook prerouting priority 0; policy accept;"}}},
		Want: apply.State{Sections: []apply.Section{{Place: apply.Place{Table: "shunt", Chain: "inbound"}, Spec: "type nat hook prerouting priority -100; policy accept;"}}}}
}

var errKernel = errors.New("the kernel said no")

// settings returns the configuration as text, by the names of its settings.
func settings(c config.Config) map[string]string {
	m := map[string]string{}
	for _, s := range config.Settings() {
		if v := s.Get(&c); v != "" {
			m[s.Name] = v
		}
	}
	return m
}
