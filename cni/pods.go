package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"shunt/pods"
)

// source tells what a pod is. There is one, the runtime; a node agent on a
// local socket can be the second.
type source interface {
	// Facts returns what is known about a pod; known is false if this source
	// cannot say, so that the next one is asked.
	Facts(ctx context.Context, id pods.ID) (facts pods.Facts, known bool, err error)
}

// sources returns the sources in the order in which they are asked.
func sources(c *netConf) []source {
	return []source{runtimeSource{c.annotations}}
}

// annotationsKey is the capability by which a container runtime passes the
// pod's annotations, to plugins that declare it: containerd's name for it, and
// CRI-O's (ocicni, RuntimeConfig.PodAnnotations).
const annotationsKey = "io.kubernetes.cri.pod-annotations"

// runtimeSource is the container runtime, by runtimeConfig: nothing is asked
// over the network.
type runtimeSource struct {
	annotations json.RawMessage
}

// Facts decodes the annotations. A runtime gives null for a pod without any.
func (s runtimeSource) Facts(context.Context, pods.ID) (facts pods.Facts, known bool, err error) {
	if s.annotations == nil {
		return facts, false, nil
	}
	if err := json.Unmarshal(s.annotations, &facts.Annotations); err != nil {
		return pods.Facts{}, false, fmt.Errorf("runtimeConfig[%q] is %s: want an object of strings", annotationsKey, shown(s.annotations))
	}
	return facts, true, nil
}

// parseArgs reads CNI_ARGS, KEY=VALUE pairs with semicolons between them, as
// Kubernetes' runtimes write them. Keys that are not for shunt are passed
// over, whether IgnoreUnknown=1 is among them or not: they are for another
// plugin of the chain.
func parseArgs(text string) (pods.ID, error) {
	var id pods.ID
	if text == "" {
		return id, nil
	}
	for _, pair := range strings.Split(text, ";") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return pods.ID{}, fmt.Errorf("CNI_ARGS: %s is not a pair: want KEY=VALUE, with semicolons between pairs", quoted(pair))
		}
		switch key {
		case "K8S_POD_NAMESPACE":
			id.Namespace = value
		case "K8S_POD_NAME":
			id.Name = value
		case "K8S_POD_UID":
			id.UID = value
		}
	}
	return id, nil
}

func quoted(text string) string { return fmt.Sprintf("%q", clip(text)) }
