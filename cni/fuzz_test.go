package cni

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/pods"
)

// FuzzNetworkConfiguration looks for a configuration that panics, whose errors
// are not what a runtime can read, or whose previous result changes on its way.
func FuzzNetworkConfiguration(f *testing.F) {
	for _, seed := range []string{
		"", "{", "null", `{"name":"x"}`, conf(), conf(chart, injected()), conf(injected("config.linkerd.io/skip-outbound-ports", "80")),
		conf(`"linkerd":{"inbound-ports-to-ignore":["1-10",20],"proxy-uid":"-1"},"timeout":"1s","exclude-namespaces":["a"],"kube-api-server-ports":"1","facts":"always"`),
		`{"cniVersion":"0.3.1","name":"x","prevResult":{},"runtimeConfig":{"io.kubernetes.cri.pod-annotations":null}}`,
		`{"name":"x","timeout":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConf(data)
		if c == nil || c.timeout <= 0 {
			t.Fatalf("%+v is not usable", c)
		}
		if err != nil {
			if _, ok := err.(*types.Error); !ok {
				t.Fatalf("%v is no CNI error", err)
			}
			return
		}
		if pod, known, err := fromRuntime(c.annotations); err == nil && known != (c.annotations != nil) {
			t.Fatalf("%+v, %v", pod, known)
		}
		cfg, _, err := c.config()
		if err == nil {
			cfg, err = c.forControlPlane(cfg, pods.Facts{}, "linkerd")
		}
		if err == nil {
			_, err = cfg.Validate()
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("more than a line: %v", err)
		}
		if c.prevResult == nil {
			return
		}
		out, err := passThrough(c.prevResult, c.version)
		if err != nil {
			return
		}
		var result struct {
			CNIVersion *json.RawMessage `json:"cniVersion"`
		}
		if err := json.Unmarshal(out, &result); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if !bytes.Equal(out, c.prevResult) && !bytes.HasSuffix(out, c.prevResult[1:]) {
			t.Fatalf("%s was changed to %s", c.prevResult, out)
		}
	})
}

// FuzzArguments holds parseArgs against the CNI project's own.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{"", "IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", "K8S_POD_NAME", ";", "=", "IgnoreUnknown=1;=;=;D_NAME=", "a=b=c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseArgs(text)
		if err != nil && id != (pods.ID{}) {
			t.Fatalf("%q: %v, and %+v", text, err, id)
		}
		var ref struct {
			types.CommonArgs
			K8S_POD_NAMESPACE types.UnmarshallableString
			K8S_POD_NAME      types.UnmarshallableString
		}
		if strings.Contains(text, "CommonArgs") || types.LoadArgs(text, &ref) != nil {
			return // what that refuses is an unknown key, or refused here too
		}
		if strings.HasPrefix(text, "=") || strings.Contains(text, ";=") {
			return // that takes a pair without a key as an unknown one, parseArgs as a mistake
		}
		if err != nil || id.Name != string(ref.K8S_POD_NAME) || id.Namespace != string(ref.K8S_POD_NAMESPACE) {
			t.Fatalf("%q: %+v, %v; want %+v", text, id, err, ref)
		}
	})
}
