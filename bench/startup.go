package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// networkConf is one entry of a conflist, as a runtime completes it for a pod
// with the annotations that take the place of %s.
const networkConf = `{
  "cniVersion": "1.1.0", "name": "bench", "type": "shunt",
  "capabilities": {"io.kubernetes.cri.pod-annotations": true},
  "linkerd": {
    "incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "ports-to-redirect": [],
    "inbound-ports-to-ignore": ["4190", "4191", "4567", "4568"], "outbound-ports-to-ignore": ["4567", "4568"],
    "simulate": false, "use-wait-flag": false, "iptables-mode": "nft", "ipv6": true
  },
  "runtimeConfig": {"io.kubernetes.cri.pod-annotations": %s},
  "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}], "ips": [{"interface": 0, "address": "10.0.0.2/24"}]}
}
`

// startUp measures what it takes to start, as a command and as a plugin.
func (b *bench) startUp() error {
	meshed, err := b.add("meshed", `{"linkerd.io/proxy-version": "edge"}`)
	if err != nil {
		return err
	}
	unmeshed, err := b.add("unmeshed", `{"app": "web"}`)
	if err != nil {
		return err
	}
	empty := contender{name: "an empty Go program", run: []command{{args: []string{filepath.Join(b.dir, "empty")}}}, most: 1.7}
	for _, c := range []contest{
		{doing: "plan", rules: "standard", contenders: []contender{
			{name: "shunt", run: []command{{args: []string{b.shunt, "plan", "--ipv6"}}}}, empty,
		}},
		{doing: "ADD", rules: "not meshed", contenders: []contender{{name: "shunt", run: unmeshed}, empty}},
		{doing: "ADD", rules: "standard", contenders: []contender{
			{name: "shunt", run: meshed}, {name: "shunt init", run: []command{{args: []string{b.shunt, "init", "--ipv6"}}}, most: 1.3},
		}},
	} {
		if err := b.hold(c); err != nil {
			return err
		}
	}
	return nil
}

// add returns a CNI ADD for a pod with these annotations. The plugin runs
// outside the pod's namespace, as runtimes call it.
func (b *bench) add(name, annotations string) ([]command, error) {
	conf := filepath.Join(b.dir, name+".json")
	return []command{{args: []string{b.shunt}, stdin: conf, plugin: true, env: []string{
		"CNI_COMMAND=ADD", "CNI_CONTAINERID=0123456789ab", "CNI_IFNAME=eth0", "CNI_PATH=/opt/cni/bin",
		"CNI_ARGS=K8S_POD_NAMESPACE=emojivoto;K8S_POD_NAME=web-1",
	}}}, os.WriteFile(conf, fmt.Appendf(nil, networkConf, annotations), 0o600)
}
