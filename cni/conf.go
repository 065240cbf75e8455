package cni

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"

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
	keyFacts        = "facts"
)

// besideKeys are shunt's own keys, which may be given beside the linkerd block as
// well as in it. Linkerd's keys are valid in the block only.
func besideKeys() []string {
	return []string{"backend", keyControlPlane, keyAPIPorts, "skip-outbound-subnets", "skip-outbound-uids", keyExclude,
		keyTimeout, keyFacts, "inbound-local-only", "control-port", "admin-port", "lock-timeout"}
}

// netConf is the network configuration as far as shunt reads it: one entry of
// a conflist, completed by the runtime.
type netConf struct {
	Policy      // what the entry says about pods
	name        string
	version     string          // cniVersion
	prevResult  json.RawMessage // nil: none
	annotations json.RawMessage // the pod's, from the runtime; nil: it gave none, not even null
	alwaysAsk   bool            // the agent, also where the runtime gave annotations

	logLevel, logFile string
	timeout           time.Duration
}

// parseConf decodes standard input. The error, a *types.Error, names the key
// and what would be right; the netConf is usable even then, with standard values
// for what was not read.
func parseConf(data []byte) (*netConf, error) {
	c := &netConf{timeout: DefaultTimeout, Policy: newPolicy()}
	if err := json.Unmarshal(data, &c.beside); err != nil {
		return c, types.NewError(types.ErrDecodingFailure,
			fmt.Sprintf("shunt: the network configuration on standard input is not a JSON object: %v", err), hintConf)
	}
	if err := c.readCall(); err != nil {
		return c, types.NewError(types.ErrInvalidNetworkConfig, "shunt: network configuration: "+err.Error(), hintConf)
	}
	return c, nil
}

// readCall decodes what concerns every call.
func (c *netConf) readCall() error {
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
		{"runtimeConfig", &runtimeConfig, "an object"},
	} {
		if err := c.decode(field.key, field.into, field.want); err != nil {
			return err
		}
	}
	if !validName(c.name) {
		return fmt.Errorf("name is %s: want letters and digits, then also _ . -", quoted(c.name))
	}
	c.annotations = runtimeConfig[pods.AnnotationsCapability]
	if raw := c.beside["prevResult"]; isSet(raw) {
		c.prevResult = raw
	}
	if err := c.read(); err != nil {
		return err
	}
	if err := c.readFacts(); err != nil {
		return err
	}
	return c.readTimeout()
}

// readFacts decodes when the agent is asked about a pod.
func (c *netConf) readFacts() error {
	raw, place, err := c.find(keyFacts)
	if err != nil || raw == nil {
		return err
	}
	switch string(raw) {
	case `"always"`:
		c.alwaysAsk = true
	case `"needed"`:
	default:
		return fmt.Errorf("%s is %s: want \"needed\" (where the container runtime passes no annotations) or \"always\"", place, shown(raw))
	}
	return nil
}

func (c *netConf) readTimeout() error {
	raw, place, err := c.find(keyTimeout)
	if err != nil || raw == nil {
		return err
	}
	var text string
	_ = json.Unmarshal(raw, &text) // not a string: ParseDuration refuses ""
	timeout, err := time.ParseDuration(text)
	if err != nil || timeout <= 0 {
		return fmt.Errorf("%s is %s: want a duration above zero, such as \"20s\"", place, shown(raw))
	}
	c.timeout = timeout
	return nil
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
