package cni

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"shunt/config"
	"shunt/pods"
)

// read decodes what concerns every pod. The settings wait until a pod needs
// them.
func (p *Policy) read() error {
	if err := p.decode(keyBlock, &p.block, "an object"); err != nil {
		return err
	}
	for _, key := range []string{keySimulate, keyUseWait} {
		raw, place, err := p.find(key)
		if err != nil {
			return err
		}
		var value bool
		if raw != nil && json.Unmarshal(raw, &value) != nil {
			return fmt.Errorf("%s is %s: want true or false", place, shown(raw))
		}
		p.simulate = p.simulate || value && key == keySimulate
	}
	exclude, err := p.names(keyExclude, p.exclude)
	p.exclude = exclude
	return err
}

// decode decodes a key, if it is there; want says what would be right.
func (p *Policy) decode(key string, into any, want string) error {
	raw, ok := p.beside[key]
	if ok && json.Unmarshal(raw, into) != nil {
		return fmt.Errorf("%s is %s: want %s", key, shown(raw), want)
	}
	return nil
}

// find returns the value that the configuration has for one of the names of a
// setting, in the linkerd block or, for shunt's own keys, beside it; nil if it
// has none. A JSON null counts as none.
func (p *Policy) find(names ...string) (raw json.RawMessage, place string, err error) {
	found := func(v json.RawMessage, where string) {
		switch {
		case !isSet(v):
		case raw != nil:
			err = fmt.Errorf("%s and %s say the same thing: give one of them", place, where)
		default:
			raw, place = v, where
		}
	}
	own := besideKeys()
	for _, name := range names {
		if name == "" {
			continue
		}
		found(p.block[name], "linkerd."+name)
		if slices.Contains(own, name) {
			found(p.beside[name], name)
		}
	}
	return raw, place, err
}

// names returns a list of namespaces: a JSON list of strings, or a comma list.
func (p *Policy) names(key string, absent []string) ([]string, error) {
	raw, place, err := p.find(key)
	if err != nil || raw == nil {
		return absent, err
	}
	var list []string
	var text string
	if json.Unmarshal(raw, &list) != nil {
		if json.Unmarshal(raw, &text) != nil {
			return nil, fmt.Errorf("%s is %s: want a list of namespaces, such as [\"kube-system\"]", place, shown(raw))
		}
		list = strings.Split(text, ",")
	}
	names := []string{}
	for _, name := range list {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// config decodes the settings of the rules. The warnings are on keys that
// mean nothing to shunt: another version's chart may write them.
func (p *Policy) config() (cfg config.Config, warnings []string, err error) {
	cfg = config.CNIAbsent()
	known := []string{keySimulate, keyUseWait, keyExclude, keyControlPlane, keyAPIPorts, keyTimeout, keyFacts}
	for _, s := range config.Settings() {
		if s.NotCNI {
			continue
		}
		known = append(known, s.Name)
		if s.Linkerd != "" {
			known = append(known, s.Linkerd)
		}
		raw, place, err := p.find(s.Name, s.Linkerd)
		if err != nil {
			return cfg, nil, err
		}
		if raw == nil || s.Kind == config.KindChoice && string(raw) == `""` {
			continue // an older chart's empty iptables-mode
		}
		v, err := value(s.Kind, place, raw)
		if err == nil {
			err = s.Set(&cfg, v)
		}
		if err != nil {
			return cfg, nil, err
		}
	}
	return cfg, p.unknownKeys(known), nil
}

// unknownKeys remarks on keys that nothing reads.
func (p *Policy) unknownKeys(known []string) []string {
	var remarks []string
	for key := range p.block {
		if slices.Contains(known, key) {
			continue
		}
		hint := ""
		if guess := config.Suggest(key, known); guess != "" {
			hint = fmt.Sprintf(": did you mean %q?", guess)
		}
		remarks = append(remarks, fmt.Sprintf("network configuration: unknown key linkerd.%s is ignored%s", clip(key), hint))
	}
	own := besideKeys()
	for key := range p.beside {
		if slices.Contains(own, key) {
			continue
		}
		if slices.Contains(known, key) {
			remarks = append(remarks, fmt.Sprintf("network configuration: %s is ignored: move it into the linkerd block", key))
		} else if guess := config.Suggest(key, own); guess != "" {
			remarks = append(remarks, fmt.Sprintf("network configuration: unknown key %s is ignored: did you mean %q?", clip(key), guess))
		}
	}
	slices.Sort(remarks)
	return remarks
}

// forControlPlane adds what the control plane's pods need, and warns of a pod
// that looks like one of them where only annotations are known.
func (p *Policy) forControlPlane(cfg config.Config, facts pods.Facts, namespace string) (config.Config, error) {
	namespaces, err := p.names(keyControlPlane, []string{"linkerd"})
	if err != nil {
		return cfg, err
	}
	if !facts.ControlPlane(namespace, namespaces) {
		if facts.Labels == nil && facts.LooksLikeControlPlane() {
			cfg.Warnings = append(slices.Clip(cfg.Warnings), fmt.Sprintf("the annotations are those of Linkerd's control plane, but namespace %s is not in %s (%s): "+
				"the pod's connections to the API server go through its proxy; add the namespace to that list",
				namespace, keyControlPlane, strings.Join(namespaces, ", ")))
		}
		return cfg, nil
	}
	ports := config.APIServerPorts(keyAPIPorts)
	raw, place, err := p.find(keyAPIPorts)
	if err != nil {
		return cfg, err
	}
	if raw != nil {
		if ports, err = value(config.KindPorts, place, raw); err != nil {
			return cfg, err
		}
	}
	return config.SkipAPIServer(cfg, ports)
}

// value returns a JSON value as config.Setting.Set takes it. A value of a
// wrong type is passed on as it is written, for Set to refuse; the error is
// for those that Set would take.
func value(kind config.Kind, place string, raw json.RawMessage) (v config.Value, err error) {
	v = config.Value{Source: config.Source("network configuration " + place), Text: string(raw)}
	switch {
	case kind == config.KindBool:
		if v.Text != "true" && v.Text != "false" {
			err = fmt.Errorf("%s is neither true nor false", shown(raw))
		}
	case raw[0] == '"':
		err = json.Unmarshal(raw, &v.Text)
	case raw[0] == '[' && (kind == config.KindPorts || kind == config.KindSubnets || kind == config.KindIDs):
		v.Text, err = listText(raw)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", v.Source, err)
	}
	return v, err
}

// listText joins the elements of a list, strings and numbers, with commas.
func listText(raw json.RawMessage) (string, error) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return "", err
	}
	words := make([]string, len(elements))
	for i, e := range elements {
		words[i] = string(e)
		if e[0] == '"' {
			if err := json.Unmarshal(e, &words[i]); err != nil {
				return "", err
			}
		}
	}
	return strings.Join(words, ","), nil
}
