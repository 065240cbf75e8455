package cni

import (
	"fmt"
	"strings"

	"shunt/pods"
)

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
