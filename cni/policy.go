package cni

import (
	"encoding/json"
	"fmt"
	"slices"

	"shunt/config"
	"shunt/pods"
)

// Policy is what the plugin's entry in a network configuration says about pods:
// which of them are meshed, and with which settings. The plugin decides by it,
// and so does whoever repairs pods that the plugin missed.
type Policy struct {
	exclude       []string // namespaces whose pods are never touched
	simulate      bool
	block, beside map[string]json.RawMessage // Linkerd's keys, and shunt's own
}

func newPolicy() Policy { return Policy{exclude: []string{"kube-system"}} }

// ParsePolicy reads an entry as it stands in a conflist or a drop-in. The error
// names the key and what would be right. Settings that are wrong are errors of
// Config.
func ParsePolicy(entry []byte) (*Policy, error) {
	p := newPolicy()
	if err := json.Unmarshal(entry, &p.beside); err != nil {
		return nil, fmt.Errorf("the plugin's entry is not a JSON object: %w", err)
	}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("the plugin's entry: %w", err)
	}
	return &p, nil
}

// Decision is what the plugin does about a pod.
type Decision string

// The decisions that the policy makes, as the log names them.
const (
	Meshed    Decision = "meshed"
	NotMeshed Decision = "not meshed"
	Excluded  Decision = "excluded namespace"
)

// Decide says whether a pod is to have rules.
func (p *Policy) Decide(id pods.ID, facts pods.Facts) Decision {
	switch {
	case p.excludes(id.Namespace):
		return Excluded
	case facts.Meshed():
		return Meshed
	}
	return NotMeshed
}

func (p *Policy) excludes(namespace string) bool {
	return namespace != "" && slices.Contains(p.exclude, namespace)
}

// Simulates reports whether the plugin only logs what it would do.
func (p *Policy) Simulates() bool { return p.simulate }

// Config returns the settings of a meshed pod's rules, valid and with warnings.
// The error names what is wrong and ends with what to do about it.
func (p *Policy) Config(id pods.ID, facts pods.Facts) (config.Config, []string, error) {
	cfg, warnings, hint, err := p.merge(id, facts)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, hint)
	}
	return cfg, warnings, err
}

// merge merges what the entry and the pod say; the hint is for the error.
func (p *Policy) merge(id pods.ID, facts pods.Facts) (cfg config.Config, warnings []string, hint string, err error) {
	cfg, warnings, err = p.config()
	if err != nil {
		return cfg, nil, hintConf, err
	}
	if cfg, err = config.MergeAnnotations(cfg, facts.Annotations, facts.Namespace, config.ModeCNI); err != nil {
		return cfg, warnings, "correct the annotation in the template that the pod is made from (or on its namespace); nothing was applied", err
	}
	if cfg, err = p.forControlPlane(cfg, facts, id.Namespace); err != nil {
		return cfg, warnings, hintConf, err
	}
	remarks, err := cfg.Validate()
	if err != nil {
		return cfg, warnings, "correct the pod's annotations or shunt's entry in the network configuration; nothing was applied", err
	}
	return cfg, append(warnings, remarks...), "", nil
}
