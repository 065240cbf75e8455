package config

import (
	"strings"
	"testing"
)

func TestSettingsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range Settings() {
		for _, name := range []string{s.Name, s.Linkerd, s.Shorthand} {
			if other, ok := seen[name]; ok && name != "" {
				t.Errorf("%s is a name of %s and of %s", name, other, s.Name)
			}
			seen[name] = s.Name
		}
		if s.Help == "" || strings.ContainsAny(s.Help, "\n`") || (s.Kind == KindChoice) != (s.Choices != nil) {
			t.Errorf("%s is not complete: %+v", s.Name, s)
		}
	}
}

func TestFindKnowsBothNames(t *testing.T) {
	t.Parallel()
	settings := Settings()
	for _, name := range []string{"skip-subnets", "subnets-to-ignore"} {
		if s, ok := Find(settings, name); !ok || s.Name != "skip-subnets" || s.Env() != "SHUNT_SKIP_SUBNETS" {
			t.Errorf("%s is %+v, %v", name, s, ok)
		}
	}
	for _, name := range []string{"", "skip", "Skip-Subnets"} {
		if s, ok := Find(settings, name); ok {
			t.Errorf("%q is %s", name, s.Name)
		}
	}
}

func TestCanonicalTextReadsBackAsTheSameValue(t *testing.T) {
	t.Parallel()
	texts := map[Kind]string{
		KindPort: "8080", KindID: "-1", KindPorts: "80,4000-4100", KindSubnets: "10.0.0.0/8,fd00::/8",
		KindIDs: "0,1000-1999", KindBool: "true", KindDuration: "1m30s", KindSeconds: "3600",
	}
	for _, s := range Settings() {
		text := texts[s.Kind]
		if s.Kind == KindChoice {
			text = s.Choices[len(s.Choices)-1]
		}
		var c Config
		if err := s.Set(&c, Value{Source: "test", Text: " " + text + " "}); err != nil {
			t.Error(err)
			continue
		}
		if s.Name == "skip-ports" {
			if c.SkipInboundPorts.String() != text || c.SkipOutboundPorts.String() != text || s.Get(&c) != "" {
				t.Errorf("skip-ports gave %s and %s", c.SkipInboundPorts, c.SkipOutboundPorts)
			}
			continue
		}
		if got := s.Get(&c); got != text || c.Sources.Of(s.Name) != "test" {
			t.Errorf("%s: %q became %q from %s", s.Name, text, got, c.Sources.Of(s.Name))
		}
	}
}

func TestSetChangesNothingOnAnErrorNorWhatOthersHold(t *testing.T) {
	t.Parallel()
	for _, s := range Settings() {
		c := Standard()
		shared := c
		if err := s.Set(&c, Value{Source: "test", Key: "key", Text: "no such thing"}); err == nil ||
			!strings.HasPrefix(err.Error(), "test: key: ") || !strings.Contains(err.Error(), `"no such thing"`) {
			t.Errorf("%s: error %v", s.Name, err)
		}
		if s.Get(&c) != s.Get(&shared) || len(c.Sources) > 0 {
			t.Errorf("%s: changed to %s by an error", s.Name, s.Get(&c))
		}
		if err := s.Set(&c); err != nil || len(c.Sources) > 0 {
			t.Errorf("%s: no value is not no change: %v", s.Name, err)
		}
	}
	c := Standard()
	c.Sources = Sources{"backend": "here"}
	copied := c
	s, _ := Find(Settings(), "skip-ports")
	if err := s.Set(&copied, Value{Source: "there", Text: "1"}); err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != 1 || c.SkipInboundPorts.Contains(1) {
		t.Errorf("setting a copy changed the original: %v", c)
	}
}

func TestStandardValues(t *testing.T) {
	t.Parallel()
	c := Standard()
	want := map[string]string{
		"inbound-port": "4143", "outbound-port": "4140", "control-port": "4190", "admin-port": "4191",
		"proxy-uid": "2102", "proxy-gid": "-1", "ports-to-redirect": "",
		"skip-inbound-ports": "4190-4191,4567-4568", "skip-outbound-ports": "4567-4568", "skip-ports": "",
		"skip-subnets": "", "skip-outbound-subnets": "", "skip-outbound-uids": "",
		"inbound-local-only": "false", "ipv6": "false", "backend": "auto", "iptables-mode": "auto",
		"lock-timeout": "5s", "timeout-close-wait-secs": "0",
	}
	for _, s := range Settings() {
		if got := s.Get(&c); got != want[s.Name] {
			t.Errorf("%s is %q, want %q", s.Name, got, want[s.Name])
		}
	}
	if warnings, err := c.Validate(); err != nil || len(warnings) > 0 {
		t.Errorf("the standard configuration: %v, %v", warnings, err)
	}
}
