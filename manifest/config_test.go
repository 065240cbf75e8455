package manifest

import (
	"strings"
	"testing"

	"shunt/config"
)

// A pod of Linkerd's control plane as linkerd install writes it.
const destination = `
kind: Deployment
metadata: {name: linkerd-destination, namespace: linkerd}
spec:
  template:
    metadata:
      annotations: {linkerd.io/created-by: linkerd/cli edge-26.8.1, linkerd.io/proxy-version: edge-26.8.1}
      labels: {linkerd.io/control-plane-component: destination, linkerd.io/control-plane-ns: linkerd}
    spec:
      containers:
      - {name: linkerd-proxy, image: "cr.l5d.io/linkerd/proxy:edge-26.8.1"}
      - {name: destination}
`

// Its init container, as linkerd install writes it without --linkerd-cni-enabled.
const destinationInit = `
      initContainers:
      - name: linkerd-init
        image: cr.l5d.io/linkerd/proxy:edge-26.8.1
        command: ["/usr/lib/linkerd/linkerd2-proxy-init"]
        args:
        - --firewall-bin-path
        - "iptables-nft"
        - --firewall-save-bin-path
        - "iptables-nft-save"
        - --ipv6=false
        - --incoming-proxy-port
        - "4143"
        - --outgoing-proxy-port
        - "4140"
        - --proxy-uid
        - "2102"
        - --inbound-ports-to-ignore
        - "4190,4191,4567,4568"
        - --outbound-ports-to-ignore
        - "443,6443"
`

// configOf returns what the only workload gets, in the mode that it says itself
// or the one that is given.
func configOf(t *testing.T, text string, mode config.Mode) (config.Config, config.Mode) {
	t.Helper()
	s := mustRead(t, text)
	w := s.Workloads()[0]
	mode = s.Mode(w, mode)
	base := config.Standard()
	if mode == config.ModeCNI {
		base = config.CNI()
	}
	c, err := s.Config(base, w, mode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c, mode
}

func TestAnInjectedPodGetsWhatItsInitContainersArgumentsSay(t *testing.T) {
	t.Parallel()
	c, mode := configOf(t, destination+destinationInit, config.ModeCNI)
	if mode != config.ModeInit || c.SkipOutboundPorts.String() != "443,6443" || c.SkipInboundPorts.String() != "4190-4191,4567-4568" || c.IPv6 {
		t.Errorf("%s: inbound %s, outbound %s, IPv6 %t", mode, c.SkipInboundPorts, c.SkipOutboundPorts, c.IPv6)
	}
	if got := c.Sources.Of("skip-outbound-ports"); got != "linkerd-init --outbound-ports-to-ignore" {
		t.Errorf("skip-outbound-ports from %s", got)
	}
	// Linkerd's program writes rules for IPv6 unless it is told not to.
	c, _ = configOf(t, destination+strings.Replace(destinationInit, "        - --ipv6=false\n", "", 1), config.ModeInit)
	if !c.IPv6 || c.Sources.Of("ipv6") != config.Default {
		t.Errorf("IPv6 %t from %s", c.IPv6, c.Sources.Of("ipv6"))
	}
}

// Annotations that the injector has turned into arguments, or was not there for,
// do not count a second time.
func TestAnInjectedPodsAnnotationsDoNotCountBesideItsArguments(t *testing.T) {
	t.Parallel()
	text := strings.Replace(destination, "annotations: {", `annotations: {config.linkerd.io/skip-outbound-ports: "1", linkerd.io/skip-ports: "2", `, 1)
	if c, _ := configOf(t, text+destinationInit, config.ModeInit); c.SkipOutboundPorts.String() != "443,6443" {
		t.Errorf("outbound %s", c.SkipOutboundPorts)
	}
	shunt := strings.Replace(destinationInit, `command: ["/usr/lib/linkerd/linkerd2-proxy-init"]`, `command: [/shunt, init]`, 1)
	shunt = strings.Replace(shunt, "        args:\n", "        args:\n        - --annotations-file=/etc/podinfo/annotations\n", 1)
	if c, _ := configOf(t, text+shunt, config.ModeInit); c.SkipOutboundPorts.String() != "1-2" {
		t.Errorf("shunt, which reads them: outbound %s", c.SkipOutboundPorts)
	}
}

func TestThePluginWritesTheRulesOfAnInjectedPodWithoutAnInitContainer(t *testing.T) {
	t.Parallel()
	c, mode := configOf(t, destination, config.ModeInit)
	if mode != config.ModeCNI || c.SkipInboundPorts.String() != "4190-4191" {
		t.Errorf("%s: inbound %s", mode, c.SkipInboundPorts)
	}
	if c.SkipOutboundPorts.String() != "443,6443" || c.Sources.Of("skip-outbound-ports") != "default + label linkerd.io/control-plane-component" {
		t.Errorf("outbound %s from %s", c.SkipOutboundPorts, c.Sources.Of("skip-outbound-ports"))
	}
	c, _ = configOf(t, strings.Replace(destination, "linkerd.io/control-plane-component: destination, ", "", 1), config.ModeInit)
	if len(c.SkipOutboundPorts) > 0 {
		t.Errorf("a pod that is not the control plane's: outbound %s", c.SkipOutboundPorts)
	}
}

func TestAPodThatIsToBeInjected(t *testing.T) {
	t.Parallel()
	const app = `{kind: Pod, metadata: {name: a, annotations: {linkerd.io/inject: enabled, config.linkerd.io/control-port: "5190", config.linkerd.io/admin-port: "5191"}}}`
	// The injector puts the moved ports in the place of the standard ones.
	if c, _ := configOf(t, app, config.ModeInit); c.SkipInboundPorts.String() != "4567-4568,5190-5191" {
		t.Errorf("init: inbound %s", c.SkipInboundPorts)
	}
	// The plugin has the node's list, whatever the pod says.
	c, _ := configOf(t, app, config.ModeCNI)
	if c.SkipInboundPorts.String() != "4190-4191,5190-5191" || len(c.SkipOutboundPorts) > 0 {
		t.Errorf("cni: inbound %s, outbound %s", c.SkipInboundPorts, c.SkipOutboundPorts)
	}
}

func TestAnInitContainerThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ from, to, want string }{
		{"--proxy-uid", "--proxy-uiid", "linkerd-init: unknown flag --proxy-uiid: did you mean --proxy-uid?"},
		{`- "4143"`, `- "0"`, `linkerd-init --incoming-proxy-port: "0" is not a usable port: want a number from 1 to 65535`},
		{"- --ipv6=false", "- --config=/etc/shunt.yaml", "linkerd-init --config: the file is in the container, and cannot be read here"},
	} {
		s := mustRead(t, destination+strings.Replace(destinationInit, tt.from, tt.to, 1))
		if _, err := s.Config(config.Standard(), s.Workloads()[0], config.ModeInit); !config.IsInput(err) || err.Error() != tt.want {
			t.Errorf("error %v\n want %s", err, tt.want)
		}
	}
	c, _ := configOf(t, destination+strings.Replace(destinationInit, "/usr/lib/linkerd/linkerd2-proxy-init", "/bin/sh", 1), config.ModeInit)
	if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], `container linkerd-init runs "/bin/sh"`) {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestSettingsThatAreGivenDoNotCountForAnInjectedPod(t *testing.T) {
	t.Parallel()
	s := mustRead(t, destination+destinationInit)
	base := config.Standard()
	base.Sources = config.Sources{"skip-outbound-ports": "flag --skip-outbound-ports"}
	c, err := s.Config(base, s.Workloads()[0], config.ModeInit)
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "that container's arguments do") {
		t.Errorf("%v, warnings %q", err, c.Warnings)
	}
}
