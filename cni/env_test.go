package cni

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"

	"shunt/logging"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/pods"
)

func TestBadEnvironment(t *testing.T) {
	t.Parallel()
	pod := netnstest.New(t).Path
	for _, tc := range []struct {
		name  string
		env   env
		code  uint
		texts []string
	}{
		{"no such verb", podEnv("add", pod), types.ErrInvalidEnvironmentVariables, []string{"CNI_COMMAND", `"add"`}},
		{"no container", podEnv("ADD", pod).with("CNI_CONTAINERID", ""), types.ErrInvalidEnvironmentVariables, []string{"CNI_CONTAINERID"}},
		{"nothing", env{"CNI_COMMAND": "CHECK"}, types.ErrInvalidEnvironmentVariables, []string{"CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME"}},
		{"a container id that is a path", podEnv("ADD", pod).with("CNI_CONTAINERID", "../../x"), types.ErrInvalidEnvironmentVariables, []string{"CNI_CONTAINERID", "../../x"}},
		{"no namespace", podEnv("ADD", ""), types.ErrInvalidEnvironmentVariables, []string{"CNI_NETNS"}},
		{"arguments that are no pairs", podEnv("ADD", pod).with("CNI_ARGS", "K8S_POD_NAME"), types.ErrInvalidEnvironmentVariables, []string{"CNI_ARGS", `"K8S_POD_NAME"`, "KEY=VALUE"}},
		{"an argument without a key", podEnv("ADD", pod).with("CNI_ARGS", "=x"), types.ErrInvalidEnvironmentVariables, []string{"CNI_ARGS", `"=x"`}},
		{"a namespace that is gone", podEnv("ADD", "/no/such/namespace"), types.ErrInvalidNetNS, []string{"CNI_NETNS", "/no/such/namespace"}},
		{"a namespace that is a file", podEnv("ADD", "/etc/passwd"), types.ErrInvalidNetNS, []string{"CNI_NETNS", "not a network namespace"}},
		{"a namespace of another kind", podEnv("CHECK", "/proc/self/ns/mnt"), types.ErrInvalidNetNS, []string{"a mount namespace"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeRules{}
			invoke(t, f.plugin(), tc.env, conf(injected())).fails(t, tc.code, tc.texts...)
			if f.calls != nil {
				t.Errorf("something was done: %v", f.calls)
			}
		})
	}
}

// A runtime's mistake, or a hostile path, must not redirect the node.
func TestTheNodesOwnNamespaceIsRefused(t *testing.T) {
	t.Parallel()
	node := netnstest.New(t)
	node.Run(t, func() {
		var log bytes.Buffer
		c := &call{run: &run{}, args: args{netns: node.Path}, conf: &netConf{}, log: logging.New(&log, slog.LevelInfo)}
		ns, err := c.openNetns()
		if ns != nil || asError(err).Code != types.ErrInvalidNetNS || !strings.Contains(err.Error(), "the node's own") {
			t.Errorf("%v, %v", ns, err)
		}
		if _, unreadable := os.Readlink("/proc/1/ns/net"); (unreadable != nil) != strings.Contains(log.String(), "it cannot be told for certain") {
			t.Errorf("process 1's namespace: %v; the log says\n%s", unreadable, &log)
		}
	})
}

// On Linux 6.18 and later its inode says it, whether process 1 can be looked at
// or not.
func TestTheInitialNamespaceIsRefusedFromAnywhere(t *testing.T) {
	t.Parallel()
	initial, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer initial.Close()
	if !initial.IsInitial() {
		t.Skip("this is not the initial network namespace, or the kernel does not fix its inode: nothing to refuse")
	}
	path := fmt.Sprintf("/proc/self/fd/%d", initial.FD())
	netnstest.New(t).Run(t, func() {
		f := &fakeRules{}
		invoke(t, f.plugin(), podEnv("ADD", path), conf(injected())).fails(t, types.ErrInvalidNetNS, "the node's own")
		invoke(t, f.plugin(), podEnv("DEL", path), conf(injected())).ok(t)
		if f.calls != nil {
			t.Errorf("something was done: %v", f.calls)
		}
	})
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]pods.ID{
		"":                                      {},
		"IgnoreUnknown=1":                       {},
		"K8S_POD_NAMESPACE=a;K8S_POD_NAME=b":    {Namespace: "a", Name: "b"},
		"IP=10.0.0.1;K8S_POD_NAME=b;X=":         {Name: "b"},
		"K8S_POD_NAME=a;K8S_POD_NAME=b":         {Name: "b"},
		"K8S_POD_NAME=a=b":                      {Name: "a=b"},
		"K8S_POD_UID=1-2;K8S_POD_NAME=b":        {Name: "b", UID: "1-2"},
		"k8s_pod_name=a;K8S_POD_INFRA_THING=b;": {}, // an error: ends in nothing
	} {
		got, err := parseArgs(text)
		if (err != nil) != strings.HasSuffix(text, ";") || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

// What skel, the CNI project's own reading of the specification, refuses is
// refused here with the same code; what it lets pass, passes. The exceptions
// are deliberate: DEL never fails, and CNI_PATH, which the specification calls
// optional, is not asked for.
func TestRefusesWhatSkelRefuses(t *testing.T) {
	pod := netnstest.New(t).Path
	cases := []struct {
		env   env
		stdin string
	}{
		{podEnv("ADD", pod), conf(injected())},
		{podEnv("CHECK", pod), conf(injected())},
		{podEnv("VERSION", pod), ""},
		{podEnv("add", pod), conf()},
		{podEnv("ADD", "").with("CNI_CONTAINERID", ""), conf()},
		{podEnv("CHECK", "").with("CNI_IFNAME", ""), conf()},
		{podEnv("ADD", pod).with("CNI_CONTAINERID", "-x"), conf()},
		{podEnv("ADD", pod).with("CNI_CONTAINERID", "a_b.c-d"), conf(injected())},
		{podEnv("ADD", pod), ""},
		{podEnv("ADD", pod), "{"},
		{podEnv("ADD", pod), `[]`},
		{podEnv("ADD", pod), `{"cniVersion":"1.0.0"}`},
		{podEnv("ADD", pod), strings.Replace(conf(), "k8s-pod-network", "a b", 1)},
	}
	for _, v := range []string{"", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "1.2.0", "2.0.0"} {
		for _, verb := range []string{"ADD", "CHECK", "GC", "STATUS"} {
			cases = append(cases, struct {
				env   env
				stdin string
			}{podEnv(verb, pod), strings.Replace(conf(injected()), `"cniVersion":"1.0.0"`, `"cniVersion":"`+v+`"`, 1)})
		}
	}
	for _, tc := range cases {
		want, wantOut := viaSkel(t, tc.env, tc.stdin)
		o := invoke(t, (&fakeRules{}).plugin(), tc.env, tc.stdin)
		var got uint
		if o.err != nil {
			got = o.err.Code
		}
		if got != want {
			t.Errorf("%s with %.60s: code %d, skel's is %d\n%s", tc.env["CNI_COMMAND"], tc.stdin, got, want, o.stdout)
		}
		if tc.env["CNI_COMMAND"] == "VERSION" && strings.TrimSpace(wantOut) != o.stdout {
			t.Errorf("VERSION says %s, skel %s", o.stdout, wantOut)
		}
	}
}

// viaSkel returns the code with which skel refuses a call, 0 if it does not,
// and what it prints. Skel has the process's environment and files only.
func viaSkel(t *testing.T, e env, stdin string) (code uint, stdout string) {
	t.Helper()
	for _, name := range []string{"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"} {
		t.Setenv(name, e[name])
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	inFile, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer inFile.Close()
	outFile, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer outFile.Close()
	realIn, realOut := os.Stdin, os.Stdout
	defer func() { os.Stdin, os.Stdout = realIn, realOut }()
	os.Stdin, os.Stdout = inFile, outFile
	nothing := func(*skel.CmdArgs) error { return nil }
	refused := skel.PluginMainFuncsWithError(
		skel.CNIFuncs{Add: nothing, Check: nothing, Del: nothing, GC: nothing, Status: nothing},
		version.PluginSupports(supported()...), "")
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if refused != nil {
		return refused.Code, string(text)
	}
	return 0, string(text)
}

func TestThePreviousResultIsPassedThrough(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, prev, want string }{
		{"as it is", `{"cniVersion":"1.0.0","ips":[]}`, ""},
		{"of another version, never converted", `{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.0.0.1/8"}]}`, ""},
		{"with what no version knows", "{ \"x\" : {\"y\":[1.50, 1e3, \"\\u00e9\u00e9<&>\"]},\n\t\"cniVersion\":\"1.0.0\" }", ""},
		{"with an empty version", `{"cniVersion":"","ips":[]}`, ""},
		{"without a version", `{"ips":[] , "dns":{}}`, `{"cniVersion":"0.4.0","ips":[] , "dns":{}}`},
		{"without anything", `{}`, `{"cniVersion":"0.4.0"}`},
		{"without anything, spaced", `{ }`, `{"cniVersion":"0.4.0" }`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.want == "" {
				tc.want = tc.prev
			}
			o := invoke(t, (&fakeRules{}).plugin(), podEnv("ADD", "/x"), `{"cniVersion":"0.4.0","name":"x",`+annotations()+`, "prevResult" : `+tc.prev+" }")
			o.ok(t)
			if o.stdout != tc.want {
				t.Errorf("got  %s\nwant %s", o.stdout, tc.want)
			}
			if !json.Valid([]byte(o.stdout)) {
				t.Error("that is no JSON")
			}
		})
	}
}
