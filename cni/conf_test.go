package cni

import (
	"maps"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/config"
	"shunt/netns/netnstest"
	"shunt/pods"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	type values = map[string]string
	const block = "linkerd."
	for _, tc := range []struct {
		name, members string
		namespace     string // default emojivoto
		want          values // what differs from what holds without a block
		sources       values
	}{
		{name: "no block at all"},
		{name: "an empty block", members: `"linkerd":{}`},
		{name: "null is absent", members: `"linkerd":{"proxy-uid":null,"ipv6":null,"inbound-ports-to-ignore":null},"backend":null`},
		{
			name: "as the chart writes it", members: chart,
			want:    values{"skip-inbound-ports": "4190-4191", "iptables-mode": "nft", "ipv6": "true"},
			sources: values{"skip-inbound-ports": block + "inbound-ports-to-ignore", "proxy-uid": block + "proxy-uid"},
		},
		{
			name: "every key of Linkerd's", members: `"linkerd":{"incoming-proxy-port":1,"outgoing-proxy-port":2,"proxy-uid":3,"proxy-gid":4,
				"ports-to-redirect":[80,8080],"inbound-ports-to-ignore":["1-10", "20"],"outbound-ports-to-ignore":["3306"],"subnets-to-ignore":["10.0.0.0/8","fd00::/8"],
				"simulate":false,"use-wait-flag":true,"iptables-mode":"legacy","ipv6":false}`,
			want: values{"inbound-port": "1", "outbound-port": "2", "proxy-uid": "3", "proxy-gid": "4", "ports-to-redirect": "80,8080",
				"skip-inbound-ports": "1-10,20", "skip-outbound-ports": "3306", "skip-subnets": "10.0.0.0/8,fd00::/8", "iptables-mode": "legacy"},
		},
		{
			name: "shunt's keys beside the block", members: `"linkerd":{},"backend":"iptables","skip-outbound-subnets":["192.168.0.0/16"],"skip-outbound-uids":[1000,"2000-2999"],
				"inbound-local-only":true,"control-port":5190,"admin-port":5191,"lock-timeout":"2s"`,
			want: values{"backend": "iptables", "skip-outbound-subnets": "192.168.0.0/16", "skip-outbound-uids": "1000,2000-2999",
				"inbound-local-only": "true", "control-port": "5190", "admin-port": "5191", "lock-timeout": "2s"},
			sources: values{"backend": "backend"},
		},
		{
			name: "shunt's keys in the block, and shunt's names of Linkerd's", members: `"linkerd":{"backend":"nftables","skip-outbound-subnets":"192.168.0.0/16",
				"inbound-port":1,"skip-inbound-ports":"4190, 4191"}`,
			want: values{"backend": "nftables", "skip-outbound-subnets": "192.168.0.0/16", "inbound-port": "1", "skip-inbound-ports": "4190-4191"},
		},
		{name: "what older charts write for nothing", members: `"linkerd":{"iptables-mode":"","ports-to-redirect":[""],"inbound-ports-to-ignore":""}`},
		{name: "numbers as strings", members: `"linkerd":{"incoming-proxy-port":"1","proxy-uid":"-1","proxy-gid":"7"}`,
			want: values{"inbound-port": "1", "proxy-uid": "-1", "proxy-gid": "7"}},
		{
			name: "the pod's annotations", members: chart + "," + injected("config.linkerd.io/skip-inbound-ports", "8080", "config.linkerd.io/skip-outbound-ports", "3306", "linkerd.io/skip-ports", "25",
				"shunt/skip-outbound-uids", "1000"),
			want: values{"skip-inbound-ports": "25,4190-4191,8080", "skip-outbound-ports": "25,3306", "skip-outbound-uids": "1000", "iptables-mode": "nft", "ipv6": "true"},
			sources: values{"skip-inbound-ports": block + "inbound-ports-to-ignore + pod annotation config.linkerd.io/skip-inbound-ports + pod annotation linkerd.io/skip-ports",
				"skip-outbound-ports": "pod annotation config.linkerd.io/skip-outbound-ports + pod annotation linkerd.io/skip-ports"},
		},
		{
			name: "the control plane", namespace: "linkerd",
			want:    values{"skip-outbound-ports": "443,6443"},
			sources: values{"skip-outbound-ports": "default + kube-api-server-ports"},
		},
		{
			name: "the control plane's pods may have annotations too", namespace: "linkerd", members: injected("config.linkerd.io/skip-outbound-ports", "4222"),
			want:    values{"skip-outbound-ports": "443,4222,6443"},
			sources: values{"skip-outbound-ports": "pod annotation config.linkerd.io/skip-outbound-ports + kube-api-server-ports"},
		},
		{
			name: "another control plane", namespace: "mesh", members: `"control-plane-namespaces":["mesh","linkerd"],"kube-api-server-ports":[16443]`,
			want:    values{"skip-outbound-ports": "16443"},
			sources: values{"skip-outbound-ports": "default + kube-api-server-ports"},
		},
		{name: "no control plane", namespace: "linkerd", members: `"control-plane-namespaces":[]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := configOf(t, tc.namespace, tc.members)
			got, without := settings(cfg.cfg), settings(config.CNIAbsent())
			for name, value := range got {
				if without[name] == value {
					delete(got, name)
				}
			}
			if !maps.Equal(got, tc.want) {
				t.Errorf("it differs in\n%v\nwant\n%v", got, tc.want)
			}
			for name, want := range tc.sources {
				source := strings.ReplaceAll(string(cfg.cfg.Sources.Of(name)), "network configuration ", "")
				if source != want {
					t.Errorf("%s comes from %q, want %q", name, source, want)
				}
			}
		})
	}
}

// configOf returns what an ADD with these members asks for, and its log.
func configOf(t *testing.T, namespace, members string) (result struct {
	*fakeRules
	log string
}) {
	t.Helper()
	result.fakeRules = &fakeRules{}
	e := podEnv("ADD", netnstest.New(t).Path)
	if namespace != "" {
		e = e.with("CNI_ARGS", "K8S_POD_NAMESPACE="+namespace+";K8S_POD_NAME=web-5f")
	}
	list := []string{}
	if !strings.Contains(members, pods.AnnotationsCapability) {
		list = append(list, injected())
	}
	if members != "" {
		list = append(list, members)
	}
	o := invoke(t, result.plugin(), e, conf(list...))
	o.ok(t)
	result.log = o.stderr
	return result
}

// What holds without any key is fixed: a chart relies on it.
func TestAbsentKeys(t *testing.T) {
	t.Parallel()
	want := map[string]string{"inbound-port": "4143", "outbound-port": "4140", "control-port": "4190", "admin-port": "4191", "proxy-uid": "2102", "proxy-gid": "-1",
		"inbound-local-only": "false", "ipv6": "false", "backend": "auto", "iptables-mode": "auto", "lock-timeout": "5s", "timeout-close-wait-secs": "0"}
	if got := settings(config.CNIAbsent()); !maps.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestUnknownKeysAreWarnings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ members, warning string }{
		{`"linkerd":{"inbound-port-to-ignore":["80"]}`, `unknown key linkerd.inbound-port-to-ignore is ignored: did you mean \"inbound-ports-to-ignore\"?`},
		{`"linkerd":{"something-new":1}`, "unknown key linkerd.something-new is ignored"},
		{`"linkerd":{"skip-ports":"80"}`, "unknown key linkerd.skip-ports is ignored"},
		{`"exclude-namespace":["x"]`, `unknown key exclude-namespace is ignored: did you mean \"exclude-namespaces\"?`},
		{`"proxy-uid":7`, "proxy-uid is ignored: move it into the linkerd block"},
		{`"log_level":"loud"`, "log_level is not known"},
		{`"linkerd":{"proxy-gid":0}`, "every process of many images has group 0"},
	} {
		got := configOf(t, "", tc.members)
		if !strings.Contains(got.log, "level=WARN") || !strings.Contains(got.log, tc.warning) {
			t.Errorf("%s: the log does not say %q:\n%s", tc.members, tc.warning, got.log)
		}
	}
	for _, members := range []string{chart, `"args":{"cni":{}},"ipam":{},"dns":{},"capabilities":{"x":true},"policy":{"type":"k8s"},"ipMasq":true`} {
		if got := configOf(t, "", members+`,"linkerd":{"inbound-ports-to-ignore":[4190,4191]}`); strings.Contains(got.log, "WARN") {
			t.Errorf("%s:\n%s", members, got.log)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	const invalid, undecodable = types.ErrInvalidNetworkConfig, types.ErrDecodingFailure
	for _, tc := range []struct {
		name, stdin string
		code        uint
		texts       []string
	}{
		{"no input", "", undecodable, []string{"not a JSON object"}},
		{"malformed", "{]", undecodable, []string{"not a JSON object"}},
		{"truncated", conf(injected())[:200], undecodable, []string{"unexpected end"}},
		{"a list", "[]", undecodable, []string{"not a JSON object"}},
		{"null", "null", invalid, []string{"name"}},
		{"no name", `{"cniVersion":"1.0.0","prevResult":{}}`, invalid, []string{"name"}},
		{"a name that is a path", strings.Replace(conf(), "k8s-pod-network", "../x", 1), invalid, []string{"name", "../x"}},
		{"a name that is a number", `{"cniVersion":"1.0.0","name":7}`, invalid, []string{"name is 7: want a string"}},
		{"more than 8 MiB", conf(`"x":"` + strings.Repeat("x", 10<<20) + `"`), invalid, []string{"8 MiB"}},
		{"no version", `{"name":"x"}`, types.ErrIncompatibleCNIVersion, []string{"0.3.1, 0.4.0, 1.0.0, 1.1.0"}},
		{"an older version", strings.Replace(conf(), "1.0.0", "0.2.0", 1), types.ErrIncompatibleCNIVersion, []string{"0.2.0"}},
		{"a newer version", strings.Replace(conf(), "1.0.0", "1.2.0", 1), types.ErrIncompatibleCNIVersion, []string{"1.2.0"}},
		{"not chained", `{"cniVersion":"1.0.0","name":"x",` + annotations() + `}`, invalid, []string{"to be chained", "plugins", "conflist"}},
		{"a previous result of null", `{"cniVersion":"1.0.0","name":"x","prevResult":null,` + annotations() + `}`, invalid, []string{"to be chained"}},
		{"a previous result of a wrong type", `{"cniVersion":"1.0.0","name":"x","prevResult":"x",` + annotations() + `}`, undecodable, []string{"prevResult"}},
		{"annotations of a wrong type", conf(`"runtimeConfig":{"io.kubernetes.cri.pod-annotations":["x"]}`), undecodable, []string{"pod emojivoto/web-5f", "object of strings"}},
		{"an annotation of a wrong type", conf(`"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"linkerd.io/proxy-version":1}}`), undecodable, []string{"object of strings"}},
		{"a runtimeConfig of a wrong type", conf(`"runtimeConfig":7`), invalid, []string{"runtimeConfig is 7: want an object"}},
		{"a block of a wrong type", conf(`"linkerd":[]`), invalid, []string{"linkerd is []: want an object"}},
		{"a log_file of a wrong type", conf(`"log_file":7`), invalid, []string{"log_file is 7: want a string"}},
		{"simulate as a string", conf(`"linkerd":{"simulate":"yes"}`), invalid, []string{`linkerd.simulate is "yes": want true or false`}},
		{"use-wait-flag as a number", conf(`"linkerd":{"use-wait-flag":1}`), invalid, []string{"linkerd.use-wait-flag is 1: want true or false"}},
		{"a timeout without a unit", conf(`"timeout":20`), invalid, []string{`timeout is 20: want a duration above zero, such as "20s"`}},
		{"a timeout of nothing", conf(`"timeout":"0s"`), invalid, []string{"timeout"}},
		{"namespaces of a wrong type", conf(`"exclude-namespaces":{"x":1}`), invalid, []string{"exclude-namespaces", "want a list of namespaces"}},
		{"said twice", conf(`"timeout":"1s","linkerd":{"timeout":"2s"}`), invalid, []string{"linkerd.timeout and timeout"}},

		{"a port of zero", conf(`"linkerd":{"incoming-proxy-port":0}`, injected()), invalid, []string{"linkerd.incoming-proxy-port", "1 to 65535"}},
		{"a port out of range", conf(`"linkerd":{"outgoing-proxy-port":70000}`, injected()), invalid, []string{"linkerd.outgoing-proxy-port", `"70000"`}},
		{"a port that is a list", conf(`"linkerd":{"incoming-proxy-port":[1]}`, injected()), invalid, []string{"linkerd.incoming-proxy-port", "[1]"}},
		{"a port with a fraction", conf(`"linkerd":{"incoming-proxy-port":1.5}`, injected()), invalid, []string{`"1.5"`}},
		{"a uid that is a name", conf(`"linkerd":{"proxy-uid":"linkerd"}`, injected()), invalid, []string{"linkerd.proxy-uid", "user or group id"}},
		{"nobody is exempt", conf(`"linkerd":{"proxy-uid":-1}`, injected()), invalid, []string{"loop"}},
		{"a list of booleans", conf(`"linkerd":{"inbound-ports-to-ignore":[true]}`, injected()), invalid, []string{"linkerd.inbound-ports-to-ignore", `"true"`}},
		{"a list of lists", conf(`"linkerd":{"inbound-ports-to-ignore":[[80]]}`, injected()), invalid, []string{"linkerd.inbound-ports-to-ignore", "[80]"}},
		{"a list that is an object", conf(`"linkerd":{"inbound-ports-to-ignore":{"80":1}}`, injected()), invalid, []string{"linkerd.inbound-ports-to-ignore"}},
		{"a bad entry among good ones", conf(`"linkerd":{"outbound-ports-to-ignore":["80","99999","443"]}`, injected()), invalid, []string{"linkerd.outbound-ports-to-ignore", `"99999"`}},
		{"a bad subnet", conf(`"linkerd":{"subnets-to-ignore":["10.0.0.1/33"]}`, injected()), invalid, []string{"linkerd.subnets-to-ignore", "10.0.0.1/33"}},
		{"ipv6 as a string", conf(`"linkerd":{"ipv6":"true"}`, injected()), invalid, []string{"linkerd.ipv6", "neither true nor false"}},
		{"ipv6 as a number", conf(`"linkerd":{"ipv6":1}`, injected()), invalid, []string{"linkerd.ipv6", "neither true nor false"}},
		{"a mode that is not known", conf(`"linkerd":{"iptables-mode":"best"}`, injected()), invalid, []string{"linkerd.iptables-mode", "legacy"}},
		{"a mode of a wrong type", conf(`"linkerd":{"iptables-mode":3}`, injected()), invalid, []string{"linkerd.iptables-mode"}},
		{"a backend that is not known", conf(`"backend":"ebpf"`, injected()), invalid, []string{"backend", "nftables"}},
		{"two that contradict", conf(`"backend":"nftables","linkerd":{"iptables-mode":"legacy"}`, injected()), invalid, []string{"contradicts"}},
		{"two names of one setting", conf(`"linkerd":{"inbound-port":1,"incoming-proxy-port":2}`, injected()), invalid, []string{"linkerd.inbound-port and linkerd.incoming-proxy-port"}},
		{"bad ports of the API server", conf(`"control-plane-namespaces":["emojivoto"],"kube-api-server-ports":["x"]`, injected()), invalid, []string{"kube-api-server-ports", `"x"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &fakeRules{}
			o := invokeReader(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path), strings.NewReader(tc.stdin))
			o.fails(t, tc.code, tc.texts...)
			if f.calls != nil {
				t.Errorf("something was done: %v", f.calls)
			}
			if strings.Count(o.err.Msg, "\n") != 0 || len(o.err.Msg) > 600 {
				t.Errorf("the message is not one readable line: %s", o.err.Msg)
			}
		})
	}
}

// The proxy's ports and ids by annotation, each with a value that is wrong.
func TestBadAnnotations(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"config.linkerd.io/skip-inbound-ports": "80-", "linkerd.io/skip-ports": "99999", "config.linkerd.io/skip-subnets": "10.0.0.1/33",
		"config.linkerd.io/proxy-uid": "root", "config.linkerd.io/proxy-gid": "-2", "config.linkerd.io/inbound-port": "0", "config.linkerd.io/outbound-port": "70000",
		"config.linkerd.io/control-port": "", "config.linkerd.io/admin-port": "x", "shunt/skip-outbound-subnets": "300.1.1.1/8", "shunt/skip-outbound-uids": "2000-1000",
	} {
		f := &fakeRules{}
		invoke(t, f.plugin(), podEnv("ADD", netnstest.New(t).Path), conf(injected(key, value))).
			fails(t, types.ErrInvalidNetworkConfig, "pod emojivoto/web-5f", "pod annotation "+key, `"`+value+`"`, "want ", "nothing was applied")
		if f.calls != nil {
			t.Errorf("%s: something was done: %v", key, f.calls)
		}
	}
}

func TestErrorsNameTheConfigurationsVersion(t *testing.T) {
	t.Parallel()
	o := invoke(t, (&fakeRules{}).plugin(), podEnv("ADD", "/x"), strings.Replace(conf(), "1.0.0", "0.4.0", 1))
	o.fails(t, types.ErrTryAgainLater)
	if o.version != "0.4.0" {
		t.Errorf("cniVersion %s", o.version)
	}
}
