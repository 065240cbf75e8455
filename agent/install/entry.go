package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shunt/pods"
)

// The plugin types that are ours or that we take the place of.
const (
	typeShunt   = "shunt"
	typeLinkerd = "linkerd-cni"
)

// StandardEntry is the entry where no configuration is given: the values of
// Linkerd's chart.
const StandardEntry = `{"type":"shunt","linkerd":{"inbound-ports-to-ignore":["4190","4191"]}}`

// Entry is the plugin's entry in a network's chain.
type Entry struct {
	Type string          // the name of the plugin's binary
	JSON json.RawMessage // without white space
}

// NewEntry makes the entry from a configuration as Linkerd's ConfigMap
// linkerd-cni-config holds it. It takes out what belongs to a file of its own
// (name, cniVersion) and what the plugin does not use (the kubernetes block and
// its older form, policy), declares the capability for annotations, and
// excludes the agent's own namespace, so that the agent can always start. A
// namespace of the control plane is not excluded, since its pods are meshed.
// pluginName, if not empty, takes the place of the configuration's type. What
// the linkerd block holds is not checked: the plugin does that.
func NewEntry(config []byte, pluginName, namespace string) (Entry, error) {
	o, err := parseObject(config)
	if err != nil {
		return Entry{}, fmt.Errorf("read the plugin's entry: %w", err)
	}
	o = o.without("name", "cniVersion", "kubernetes", "policy")
	if pluginName == "" {
		if pluginName = o.text("type"); pluginName == "" {
			return Entry{}, errors.New(`read the plugin's entry: no type: want the name of the plugin's binary, as in "type": "linkerd-cni"`)
		}
	}
	if strings.ContainsRune(pluginName, '/') || strings.HasPrefix(pluginName, ".") {
		return Entry{}, fmt.Errorf("read the plugin's entry: type %q is not the name of a file: want one such as linkerd-cni", pluginName)
	}
	o = o.set("type", mustJSON(pluginName))
	var capabilities object
	if raw := o.get("capabilities"); raw != nil {
		if capabilities, err = parseObject(raw); err != nil {
			return Entry{}, fmt.Errorf("read the plugin's entry: capabilities: %w", err)
		}
	}
	o = o.set("capabilities", capabilities.set(pods.AnnotationsCapability, json.RawMessage("true")).encode())
	if namespace != "" {
		if o, err = exclude(o, namespace); err != nil {
			return Entry{}, fmt.Errorf("read the plugin's entry: %w", err)
		}
	}
	return Entry{Type: pluginName, JSON: o.encode()}, nil
}

// exclude adds a namespace to exclude-namespaces, wherever the entry has that key:
// beside the linkerd block or in it.
func exclude(o object, namespace string) (object, error) {
	block, _ := parseObject(o.get("linkerd")) // absent, or the plugin will complain
	controlPlane, _, err := names(o, block, "control-plane-namespaces", "linkerd")
	if err != nil {
		return nil, err
	}
	excluded, inBlock, err := names(o, block, "exclude-namespaces", "kube-system")
	if err != nil {
		return nil, err
	}
	if slices.Contains(controlPlane, namespace) || slices.Contains(excluded, namespace) {
		return o, nil
	}
	list := mustJSON(append(excluded, namespace))
	if inBlock {
		return o.set("linkerd", block.set("exclude-namespaces", list).encode()), nil
	}
	return o.set("exclude-namespaces", list), nil
}

// names reads a list of namespaces, which may be a comma list, as the plugin does.
func names(o, block object, key, absent string) (list []string, inBlock bool, err error) {
	raw := block.get(key)
	if inBlock = raw != nil; !inBlock {
		raw = o.get(key)
	}
	if raw == nil || string(raw) == "null" {
		return []string{absent}, inBlock, nil
	}
	if json.Unmarshal(raw, &list) == nil {
		return list, inBlock, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, false, fmt.Errorf(`%s is not a list of namespaces such as ["kube-system"]`, key)
	}
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			list = append(list, name)
		}
	}
	return list, inBlock, nil
}

// ours are the types of entries that this one takes the place of.
func (e Entry) ours() []string { return []string{e.Type, typeShunt, typeLinkerd} }
