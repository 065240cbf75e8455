package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Pod is what a source knows about a pod.
type Pod struct {
	Meshed      bool              // its traffic is to go through a proxy that it contains
	Annotations map[string]string // the pod's own
	Namespace   map[string]string // its namespace's; nil where the source does not know them
}

// source tells what a pod is. There is one, the runtime; a node agent on a
// local socket can be the second.
type source interface {
	// Pod returns what is known about a pod; known is false if this source
	// cannot say, so that the next one is asked.
	Pod(ctx context.Context, id podID) (pod Pod, known bool, err error)
}

// sources returns the sources in the order in which they are asked.
func sources(c *netConf) []source {
	return []source{runtimeSource{c.annotations}}
}

// annotationsKey is the capability by which a container runtime passes the
// pod's annotations, to plugins that declare it: containerd's name for it, and
// CRI-O's (ocicni, RuntimeConfig.PodAnnotations).
const annotationsKey = "io.kubernetes.cri.pod-annotations"

// meshedAnnotation is on every pod that Linkerd's injector gave a proxy, and
// on those of its control plane. config.linkerd.io/proxy-version is another:
// the version that a pod asks for.
const meshedAnnotation = "linkerd.io/proxy-version"

// runtimeSource is the container runtime, by runtimeConfig: nothing is asked
// over the network.
type runtimeSource struct {
	annotations json.RawMessage
}

// Pod decodes the annotations. A runtime gives null for a pod without any.
func (s runtimeSource) Pod(context.Context, podID) (Pod, bool, error) {
	if s.annotations == nil {
		return Pod{}, false, nil
	}
	var pod Pod
	if err := json.Unmarshal(s.annotations, &pod.Annotations); err != nil {
		return Pod{}, false, fmt.Errorf("runtimeConfig[%q] is %s: want an object of strings", annotationsKey, shown(s.annotations))
	}
	_, pod.Meshed = pod.Annotations[meshedAnnotation]
	return pod, true, nil
}

// podID names a pod; both are empty for a container that is none.
type podID struct {
	Namespace, Name string
}

// String returns namespace/name, "none" for no pod.
func (id podID) String() string {
	if id.Name == "" {
		return "none"
	}
	return id.Namespace + "/" + id.Name
}

// parseArgs reads CNI_ARGS, KEY=VALUE pairs with semicolons between them, as
// Kubernetes' runtimes write them. Keys that are not for shunt are passed
// over, whether IgnoreUnknown=1 is among them or not: they are for another
// plugin of the chain.
func parseArgs(text string) (podID, error) {
	var id podID
	if text == "" {
		return id, nil
	}
	for _, pair := range strings.Split(text, ";") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return podID{}, fmt.Errorf("CNI_ARGS: %s is no pair: want KEY=VALUE, with semicolons between pairs", quoted(pair))
		}
		switch key {
		case "K8S_POD_NAMESPACE":
			id.Namespace = value
		case "K8S_POD_NAME":
			id.Name = value
		}
	}
	return id, nil
}

func quoted(text string) string { return fmt.Sprintf("%q", clip(text)) }
