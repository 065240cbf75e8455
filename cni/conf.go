package cni

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/config"
	"shunt/pods"
)

// DefaultTimeout bounds a verb where the network configuration does not say
// otherwise. A kubelet gives a sandbox some minutes, and then tries again.
const DefaultTimeout = 20 * time.Second

// The keys of the network configuration that are the plugin's own. The others
// are settings of the rules, by the names that package config has for them.
const (
	keyBlock        = "linkerd"
	keyLogLevel     = "log_level"
	keyLogFile      = "log_file"
	keySimulate     = "simulate"
	keyUseWait      = "use-wait-flag"
	keyExclude      = "exclude-namespaces"
	keyControlPlane = "control-plane-namespaces"
	keyAPIPorts     = "kube-api-server-ports"
	keyTimeout      = "timeout"
)

// besideKeys are shunt's own keys, which may be given beside the linkerd block as
// well as in it. Linkerd's keys are valid in the block only.
func besideKeys() []string {
	return []string{"backend", keyControlPlane, keyAPIPorts, "skip-outbound-subnets", "skip-outbound-uids", keyExclude,
		keyTimeout, "inbound-local-only", "control-port", "admin-port", "lock-timeout"}
}

// netConf is the network configuration as far as shunt reads it: one entry of
// a conflist, completed by the runtime. What concerns only meshed pods is
// decoded by config.
type netConf struct {
	name        string
	version     string          // cniVersion
	prevResult  json.RawMessage // nil: none
	annotations json.RawMessage // the pod's, from the runtime; nil: it gave none, not even null

	logLevel, logFile string
	timeout           time.Duration
	exclude           []string // namespaces whose pods are never touched
	simulate          bool

	block, beside map[string]json.RawMessage
}

// parseConf decodes standard input. The error, a *types.Error, names the key
// and what would be right; the netConf is usable even then, with standard values
// for what was not read.
func parseConf(data []byte) (*netConf, error) {
	c := &netConf{timeout: DefaultTimeout, exclude: []string{"kube-system"}}
	if err := json.Unmarshal(data, &c.beside); err != nil {
		return c, types.NewError(types.ErrDecodingFailure,
			fmt.Sprintf("shunt: the network configuration on standard input is not a JSON object: %v", err), hintConf)
	}
	if err := c.read(); err != nil {
		return c, types.NewError(types.ErrInvalidNetworkConfig, "shunt: network configuration: "+err.Error(), hintConf)
	}
	return c, nil
}

// read decodes what concerns every call.
func (c *netConf) read() error {
	var runtimeConfig map[string]json.RawMessage
	for _, field := range []struct {
		key  string
		into any
		want string
	}{
		{"name", &c.name, "a string"},
		{"cniVersion", &c.version, "a string"},
		{keyLogLevel, &c.logLevel, "a string"},
		{keyLogFile, &c.logFile, "a string"},
		{keyBlock, &c.block, "an object"},
		{"runtimeConfig", &runtimeConfig, "an object"},
	} {
		raw, ok := c.beside[field.key]
		if ok && json.Unmarshal(raw, field.into) != nil {
			return fmt.Errorf("%s is %s: want %s", field.key, shown(raw), field.want)
		}
	}
	if !validName(c.name) {
		return fmt.Errorf("name is %s: want letters and digits, then also _ . -", quoted(c.name))
	}
	c.annotations = runtimeConfig[annotationsKey]
	if raw := c.beside["prevResult"]; isSet(raw) {
		c.prevResult = raw
	}
	return c.readOwn()
}

// readOwn decodes shunt's keys among them.
func (c *netConf) readOwn() error {
	raw, place, err := c.find(keyTimeout)
	if err != nil {
		return err
	}
	if raw != nil {
		var text string
		_ = json.Unmarshal(raw, &text) // not a string: ParseDuration refuses ""
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 {
			return fmt.Errorf("%s is %s: want a duration above zero, such as \"20s\"", place, shown(raw))
		}
		c.timeout = timeout
	}
	for _, key := range []string{keySimulate, keyUseWait} {
		raw, place, err := c.find(key)
		if err != nil {
			return err
		}
		var value bool
		if raw != nil && json.Unmarshal(raw, &value) != nil {
			return fmt.Errorf("%s is %s: want true or false", place, shown(raw))
		}
		c.simulate = c.simulate || value && key == keySimulate
	}
	c.exclude, err = c.names(keyExclude, c.exclude)
	return err
}

// find returns the value that the configuration has for one of the names of a
// setting, in the linkerd block or, for shunt's own keys, beside it; nil if it
// has none. A JSON null counts as none.
func (c *netConf) find(names ...string) (raw json.RawMessage, place string, err error) {
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
		found(c.block[name], "linkerd."+name)
		if slices.Contains(own, name) {
			found(c.beside[name], name)
		}
	}
	return raw, place, err
}

// names returns a list of namespaces: a JSON list of strings, or a comma list.
func (c *netConf) names(key string, absent []string) ([]string, error) {
	raw, place, err := c.find(key)
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
func (c *netConf) config() (cfg config.Config, warnings []string, err error) {
	cfg = config.CNIAbsent()
	known := []string{keySimulate, keyUseWait, keyExclude, keyControlPlane, keyAPIPorts, keyTimeout}
	for _, s := range config.Settings() {
		if s.NotCNI {
			continue
		}
		known = append(known, s.Name)
		if s.Linkerd != "" {
			known = append(known, s.Linkerd)
		}
		raw, place, err := c.find(s.Name, s.Linkerd)
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
	return cfg, c.unknownKeys(known), nil
}

// unknownKeys remarks on keys that nothing reads.
func (c *netConf) unknownKeys(known []string) []string {
	var remarks []string
	for key := range c.block {
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
	for key := range c.beside {
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
func (c *netConf) forControlPlane(cfg config.Config, facts pods.Facts, namespace string) (config.Config, error) {
	namespaces, err := c.names(keyControlPlane, []string{"linkerd"})
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
	raw, place, err := c.find(keyAPIPorts)
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

// isSet reports whether there is a value other than null.
func isSet(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// shown quotes a JSON value in an error, no longer than a line.
func shown(raw json.RawMessage) string { return clip(string(raw)) }

func clip(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
