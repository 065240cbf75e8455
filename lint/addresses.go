package lint

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"shunt/manifest"
)

// addresses looks for servers that do not listen where the proxy connects, and
// for networks whose connections the proxy refuses.
func (l *linter) addresses(pod *place) {
	for i := range pod.Pod.Containers {
		c := &pod.Pod.Containers[i]
		if port, argument := listensOnLoopback(c); port != 0 && l.release >= podAddress {
			l.add(oneAddress, pod.Object, 0, pod.spec()+".containers",
				fmt.Sprintf("container %s exposes port %d, and listens on the loopback address only (%s): since Linkerd 2.11 the proxy connects to the pod's address, where nobody answers", c.Name, port, argument),
				"0.0.0.0 or the pod's address in the argument, or no such port in the container's ports")
		}
		if argument := listensOnPodIP(c); argument != "" && l.release < podAddress {
			l.add(oneAddress, pod.Object, 0, pod.spec()+".containers",
				fmt.Sprintf("container %s listens on the pod's address only (%s): before Linkerd 2.11 the proxy connects to 127.0.0.1, where nobody answers", c.Name, argument),
				"0.0.0.0 instead of the pod's address, Linkerd 2.11 or later, or linkerd.io/inject: disabled")
		}
	}
	// Multus (k8s.v1.cni.cncf.io, NetworkAttachmentDefinition) gives pods more
	// interfaces. The rules redirect what comes in by any; the proxy accepts the
	// addresses of the pod's status (LINKERD2_PROXY_INBOUND_IPS, since 2.11).
	const networks = "k8s.v1.cni.cncf.io/networks"
	if a := pod.list[networks]; a.Value != "" && len(l.facts(pod.Object).config.SkipSubnets) == 0 && l.release >= podAddress {
		l.report(secondNetwork, pod, networks,
			"connections that come in by the other networks are redirected to the proxy, too, which refuses those to addresses that are not in the pod's status",
			"config.linkerd.io/skip-subnets, with the other networks' addresses")
	}
}

// listensOnLoopback returns the port of a container's that it says it listens on
// at a loopback address, by an argument whose name is about listening, and that
// argument.
func listensOnLoopback(c *manifest.Container) (port uint16, argument string) {
	for _, a := range listenArguments(c) {
		host, number := a.value, ""
		if i := strings.LastIndexByte(a.value, ':'); i >= 0 && !strings.HasSuffix(a.value, "::1") {
			host, number = a.value[:i], a.value[i+1:]
		}
		address, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if host != "localhost" && (err != nil || !address.IsLoopback()) {
			continue
		}
		given, err := strconv.ParseUint(number, 10, 16)
		for _, p := range c.Ports {
			if p.Number == uint16(given) || err != nil && number == "" && len(c.Ports) == 1 {
				return p.Number, a.text
			}
		}
	}
	return 0, ""
}

// listensOnPodIP returns the argument by which a container listens on the pod's
// address: one that refers to a variable with that address. Longhorn's manager
// takes it from the variable POD_IP itself (longhorn/longhorn#3809).
func listensOnPodIP(c *manifest.Container) string {
	for _, a := range listenArguments(c) {
		for _, name := range c.PodIP {
			if strings.Contains(a.value, "$("+name+")") {
				return a.text
			}
		}
	}
	if slices.Contains(c.PodIP, "POD_IP") && software(c.Image) == "longhorn-manager" {
		return "variable POD_IP"
	}
	return ""
}

// argument is one of a container's arguments that says where it listens.
type argument struct{ value, text string }

func listenArguments(c *manifest.Container) []argument {
	var found []argument
	line := slices.Concat(c.Command, c.Args)
	for i, text := range line {
		name, value, ok := strings.Cut(text, "=")
		if !ok && i+1 < len(line) {
			value, text = line[i+1], text+" "+line[i+1]
		}
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "-") && (strings.Contains(name, "listen") || strings.Contains(name, "bind")) {
			found = append(found, argument{value, text})
		}
	}
	return found
}
