package install

import (
	"strings"
	"testing"
)

// linkerdConfig is what Linkerd's chart writes to its ConfigMap.
const linkerdConfig = `{
  "name": "linkerd-cni",
  "type": "linkerd-cni",
  "log_level": "info",
  "policy": {"type": "k8s", "k8s_auth_token": "__SERVICEACCOUNT_TOKEN__"},
  "kubernetes": {
      "kubeconfig": "__KUBECONFIG_FILEPATH__"
  },
  "linkerd": {
    "incoming-proxy-port": 4143,
    "outgoing-proxy-port": 4140,
    "proxy-uid": 2102,
    "ports-to-redirect": [],
    "inbound-ports-to-ignore": ["4191","4190"],
    "simulate": false,
    "use-wait-flag": false,
    "iptables-mode": "nft",
    "ipv6": false
  }
}`

func TestEntry(t *testing.T) {
	t.Parallel()
	const annotations = `"capabilities":{"io.kubernetes.cri.pod-annotations":true}`
	for _, c := range []struct{ name, config, plugin, namespace, want string }{
		{"Linkerd's ConfigMap", linkerdConfig, "", "linkerd-cni",
			`{"type":"linkerd-cni","log_level":"info","linkerd":{"incoming-proxy-port":4143,"outgoing-proxy-port":4140,"proxy-uid":2102,` +
				`"ports-to-redirect":[],"inbound-ports-to-ignore":["4191","4190"],"simulate":false,"use-wait-flag":false,"iptables-mode":"nft","ipv6":false},` +
				annotations + `,"exclude-namespaces":["kube-system","linkerd-cni"]}`},
		{"another name", `{"type":"linkerd-cni"}`, "shunt", "", `{"type":"shunt",` + annotations + `}`},
		{"other capabilities", `{"type":"shunt","capabilities":{"x":true}}`, "", "", `{"type":"shunt","capabilities":{"x":true,"io.kubernetes.cri.pod-annotations":true}}`},
		{"the capability switched off", `{"type":"shunt","capabilities":{"io.kubernetes.cri.pod-annotations":false}}`, "", "", `{"type":"shunt",` + annotations + `}`},
		{"own namespaces", `{"type":"shunt","exclude-namespaces":["a"]}`, "", "b", `{"type":"shunt","exclude-namespaces":["a","b"],` + annotations + `}`},
		{"own namespaces, in the block", `{"type":"shunt","linkerd":{"exclude-namespaces":"a, c"}}`, "", "b", `{"type":"shunt","linkerd":{"exclude-namespaces":["a","c","b"]},` + annotations + `}`},
		{"excluded already", `{"type":"shunt"}`, "", "kube-system", `{"type":"shunt",` + annotations + `}`},
		{"the control plane's namespace is meshed", `{"type":"shunt"}`, "", "linkerd", `{"type":"shunt",` + annotations + `}`},
	} {
		e, err := NewEntry([]byte(c.config), c.plugin, c.namespace)
		if err != nil || string(e.JSON) != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, e.JSON, c.want)
		}
	}
	for _, c := range []struct{ config, plugin, want string }{
		{`{`, "", "EOF"},
		{`[]`, "", "not a JSON object"},
		{`{"type":"shunt"} x`, "", "more data after the JSON object"},
		{`{"name":"linkerd-cni"}`, "", "no type"},
		{`{"type":"../sh"}`, "", "not the name of a file"},
		{`{"type":"shunt","capabilities":[]}`, "", "capabilities"},
		{`{"type":"shunt","exclude-namespaces":7}`, "", "exclude-namespaces is not a list"},
	} {
		if _, err := NewEntry([]byte(c.config), c.plugin, "ns"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.config, err, c.want)
		}
	}
}
