package chart

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"shunt/netns/netnstest"
)

// What the chart writes as the plugin's entry is what the plugin takes, without
// a warning of a key that it does not know; and the rules are what the values
// say.
func TestEntryIsWhatThePluginTakes(t *testing.T) {
	t.Parallel()
	plugin := filepath.Join(t.TempDir(), "linkerd-cni")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.lockFolder="+plugin+".locks", "-o", plugin, "shunt/cmd/shunt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	for values, rules := range map[string][]string{
		"":                    {"table ip shunt", "4190-4191", "redirect to :4143", "skuid 2102"},
		"disableIPv6: false":  {"table inet shunt"},
		"inboundProxyPort: 1": {"redirect to :1 "},
		"{ignoreInboundPorts: '25, 443,', ignoreOutboundPorts: 3306}": {"25", "443", "3306"},
		"portsToRedirect: '80,8080'":                                  {"80, 8080"},
		"proxyGID: 12103":                                             {"skgid 12103"},
		`shunt: {skipSubnets: "192.0.2.0/24", skipOutboundSubnets: 198.51.100.7, skipOutboundUIDs: "1001,2000-2002", inboundLocalOnly: true, backend: nftables,
		  kubeAPIServerPorts: "8443", excludeNamespaces: []}`: {"192.0.2.0/24", "198.51.100.7", "2000-2002", "fib daddr type local"},
	} {
		t.Run(values, func(t *testing.T) {
			ns := netnstest.New(t)
			var conf map[string]any
			if err := json.Unmarshal([]byte(entry(t, values)), &conf); err != nil {
				t.Fatal(err)
			}
			conf["cniVersion"] = "1.0.0"
			conf["runtimeConfig"] = map[string]any{"io.kubernetes.cri.pod-annotations": map[string]string{"linkerd.io/proxy-version": "v1"}}
			conf["prevResult"] = map[string]any{"cniVersion": "1.0.0"}
			stdin, err := json.Marshal(conf)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(plugin)
			cmd.Env = []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=1", "CNI_IFNAME=eth0", "CNI_NETNS=" + ns.Path, "CNI_PATH=/opt/cni/bin",
				"CNI_ARGS=K8S_POD_NAMESPACE=app;K8S_POD_NAME=web"}
			cmd.Stdin = strings.NewReader(string(stdin))
			var out []byte
			netnstest.New(t).Run(t, func() { out, err = cmd.CombinedOutput() }) // what stands for the node
			if err != nil || strings.Contains(string(out), "network configuration") {
				t.Fatalf("%v\n%s", err, out)
			}
			live := ns.Exec(t, "", "nft", "list", "ruleset")
			for _, text := range rules {
				if !strings.Contains(live, text) {
					t.Errorf("the rules are without %q:\n%s\n%s", text, live, out)
				}
			}
		})
	}
}

// The agent reads each of its variables in the chart.
func TestAgentKnowsItsVariables(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "run", "shunt/cmd/shunt-agent", "run", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := 0
	for _, g := range goldens(t) {
		for _, line := range strings.Split(g.render(t), "\n") {
			name, ok := strings.CutPrefix(strings.TrimSpace(line), "- name: SHUNT_AGENT_")
			flag := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			if !ok {
				continue
			}
			found++
			if !strings.Contains(string(out), "--"+flag+" ") {
				t.Errorf("%s: shunt-agent run has no --%s", g.path, flag)
			}
		}
	}
	if found == 0 {
		t.Error("the chart sets none")
	}
}

// entry returns the plugin's entry for these values.
func entry(t *testing.T, values string) string {
	t.Helper()
	var config struct {
		Data struct {
			Entry string `yaml:"cni_network_config"`
		}
	}
	if err := yaml.Unmarshal([]byte(render(t, values, "--show-only", "templates/config.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	return config.Data.Entry
}
