package config

import (
	"maps"
	"strings"
	"testing"
)

func TestMergeAnnotations(t *testing.T) {
	t.Parallel()
	type keys = map[string]string
	const (
		inbound  = "config.linkerd.io/skip-inbound-ports"
		outbound = "config.linkerd.io/skip-outbound-ports"
		both     = "linkerd.io/skip-ports"
		pod      = "pod annotation "
		ns       = "namespace annotation "
	)
	for _, tc := range []struct {
		name           string
		mode           Mode
		pod, namespace keys
		want           keys // what differs from the standard values
		sources        Sources
	}{
		{name: "no annotations", mode: ModeCNI},
		{name: "annotations of others", mode: ModeInit, pod: keys{"linkerd.io/inject": "enabled", "config.linkerd.io/opaque-ports": "80"}},
		{
			name: "inbound adds in the plugin", mode: ModeCNI, pod: keys{inbound: "8080, 9000-9001"},
			want:    keys{"skip-inbound-ports": "4190-4191,4567-4568,8080,9000-9001"},
			sources: Sources{"skip-inbound-ports": "default + " + pod + inbound},
		},
		{
			name: "inbound replaces in the init container, but for the proxy's own ports", mode: ModeInit, pod: keys{inbound: "8080"},
			want:    keys{"skip-inbound-ports": "4190-4191,8080"},
			sources: Sources{"skip-inbound-ports": pod + inbound + " + control-port + admin-port"},
		},
		{
			name: "the injector's own list names the proxy's ports already", mode: ModeInit, pod: keys{inbound: "4190,4191,8080"},
			want:    keys{"skip-inbound-ports": "4190-4191,8080"},
			sources: Sources{"skip-inbound-ports": pod + inbound},
		},
		{
			name: "empty means none in the plugin", mode: ModeCNI, pod: keys{inbound: "", outbound: " "},
			want:    keys{"skip-inbound-ports": "4190-4191", "skip-outbound-ports": ""},
			sources: Sources{"skip-inbound-ports": pod + inbound + " + control-port + admin-port", "skip-outbound-ports": pod + outbound},
		},
		{
			name: "empty means none in the init container", mode: ModeInit, pod: keys{inbound: "", outbound: ""},
			want:    keys{"skip-inbound-ports": "4190-4191", "skip-outbound-ports": ""},
			sources: Sources{"skip-inbound-ports": pod + inbound + " + control-port + admin-port", "skip-outbound-ports": pod + outbound},
		},
		{
			name: "outbound replaces", mode: ModeCNI, pod: keys{outbound: "443"},
			want:    keys{"skip-outbound-ports": "443"},
			sources: Sources{"skip-outbound-ports": pod + outbound},
		},
		{
			name: "the pod comes before the namespace", mode: ModeCNI, pod: keys{outbound: "443"}, namespace: keys{outbound: "not even read", inbound: "80"},
			want:    keys{"skip-outbound-ports": "443", "skip-inbound-ports": "80,4190-4191,4567-4568"},
			sources: Sources{"skip-outbound-ports": pod + outbound, "skip-inbound-ports": "default + " + ns + inbound},
		},
		{
			name: "an empty value on the pod hides the namespace's", mode: ModeInit, pod: keys{outbound: ""}, namespace: keys{outbound: "443"},
			want:    keys{"skip-outbound-ports": ""},
			sources: Sources{"skip-outbound-ports": pod + outbound},
		},
		{
			name: "skip-ports adds to both", mode: ModeInit, pod: keys{both: "8080"},
			want: keys{"skip-inbound-ports": "4190-4191,4567-4568,8080", "skip-outbound-ports": "4567-4568,8080"},
			sources: Sources{"skip-inbound-ports": "default + " + pod + both,
				"skip-outbound-ports": "default + " + pod + both},
		},
		{
			name: "skip-ports adds to what the others left", mode: ModeInit, pod: keys{both: "8080", outbound: "", inbound: "1"},
			want: keys{"skip-inbound-ports": "1,4190-4191,8080", "skip-outbound-ports": "8080"},
			sources: Sources{"skip-inbound-ports": pod + inbound + " + " + pod + both + " + control-port + admin-port",
				"skip-outbound-ports": pod + outbound + " + " + pod + both},
		},
		{name: "skip-ports does not count on the namespace", mode: ModeCNI, namespace: keys{both: "8080"}},
		{name: "empty skip-ports add nothing", mode: ModeCNI, pod: keys{both: ""}},
		{
			name: "a moved admin port is skipped too", mode: ModeCNI, pod: keys{"config.linkerd.io/admin-port": "5191"},
			want:    keys{"admin-port": "5191", "skip-inbound-ports": "4190-4191,4567-4568,5191"},
			sources: Sources{"admin-port": pod + "config.linkerd.io/admin-port", "skip-inbound-ports": "default + admin-port"},
		},
		{
			name: "moved ports are the ones that stay", mode: ModeInit,
			pod: keys{inbound: "80", "config.linkerd.io/control-port": "5190"}, namespace: keys{"config.linkerd.io/admin-port": "5191"},
			want: keys{"control-port": "5190", "admin-port": "5191", "skip-inbound-ports": "80,5190-5191"},
			sources: Sources{"control-port": pod + "config.linkerd.io/control-port", "admin-port": ns + "config.linkerd.io/admin-port",
				"skip-inbound-ports": pod + inbound + " + control-port + admin-port"},
		},
		{
			name: "everything else", mode: ModeCNI, pod: keys{
				"config.linkerd.io/inbound-port": "1", "config.linkerd.io/outbound-port": "2",
				"config.linkerd.io/proxy-uid": "3", "config.linkerd.io/proxy-gid": "4",
				"config.linkerd.io/skip-subnets": "10.0.0.0/8, fd00::/8",
				"shunt/skip-outbound-subnets":    "192.168.0.0/16", "shunt/skip-outbound-uids": "1000-1999",
			},
			want: keys{"inbound-port": "1", "outbound-port": "2", "proxy-uid": "3", "proxy-gid": "4", "skip-subnets": "10.0.0.0/8,fd00::/8",
				"skip-outbound-subnets": "192.168.0.0/16", "skip-outbound-uids": "1000-1999"},
			sources: Sources{"inbound-port": pod + "config.linkerd.io/inbound-port", "outbound-port": pod + "config.linkerd.io/outbound-port",
				"proxy-uid": pod + "config.linkerd.io/proxy-uid", "proxy-gid": pod + "config.linkerd.io/proxy-gid",
				"skip-subnets": pod + "config.linkerd.io/skip-subnets", "skip-outbound-subnets": pod + "shunt/skip-outbound-subnets",
				"skip-outbound-uids": pod + "shunt/skip-outbound-uids"},
		},
		{
			name: "no uid, in both ways to say it", mode: ModeCNI, pod: keys{"config.linkerd.io/proxy-uid": "-1", "config.linkerd.io/proxy-gid": ""},
			want:    keys{"proxy-uid": "-1"},
			sources: Sources{"proxy-uid": pod + "config.linkerd.io/proxy-uid", "proxy-gid": pod + "config.linkerd.io/proxy-gid"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base := Standard()
			c, err := MergeAnnotations(base, tc.pod, tc.namespace, tc.mode)
			if err != nil {
				t.Fatal(err)
			}
			if got := (layers{}).changed(c); !maps.Equal(got, tc.want) {
				t.Errorf("changed %v\n   want %v", got, tc.want)
			}
			if !maps.Equal(c.Sources, tc.sources) {
				t.Errorf("sources %v\n   want %v", c.Sources, tc.sources)
			}
			if got := (layers{}).changed(base); len(got) > 0 || len(base.Sources) > 0 {
				t.Errorf("the configuration that was merged into changed: %v from %v", got, base.Sources)
			}
		})
	}
}

func TestMergeAnnotationsKeepsWhereTheRestCameFrom(t *testing.T) {
	t.Parallel()
	base, err := layers{args: []string{"--skip-inbound-ports", "80", "--proxy-gid", "7"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	c, err := MergeAnnotations(base, map[string]string{"config.linkerd.io/skip-inbound-ports": "81"}, nil, ModeCNI)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.SkipInboundPorts.String(), "80-81,4190-4191"; got != want {
		t.Errorf("skipped %s, want %s", got, want)
	}
	want := Sources{
		"skip-inbound-ports": "flag --skip-inbound-ports + pod annotation config.linkerd.io/skip-inbound-ports + control-port + admin-port",
		"proxy-gid":          "flag --proxy-gid",
	}
	if !maps.Equal(c.Sources, want) {
		t.Errorf("sources %v\n   want %v", c.Sources, want)
	}
	if base.Sources.Of("skip-inbound-ports") != "flag --skip-inbound-ports" {
		t.Errorf("the base's sources changed: %v", base.Sources)
	}
}

func TestMergeAnnotationsRejects(t *testing.T) {
	t.Parallel()
	const notPort = " is not a port: want a number from 0 to 65535 or a range such as 4000-4100"
	for key, tc := range map[string]struct{ text, want string }{
		"config.linkerd.io/skip-inbound-ports":  {"80,99999", `"99999"` + notPort},
		"config.linkerd.io/skip-outbound-ports": {"http", `"http"` + notPort},
		"linkerd.io/skip-ports":                 {"80-", `"80-"` + notPort},
		"config.linkerd.io/skip-subnets":        {"300.1.1.1/8", `"300.1.1.1/8" is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address`},
		"shunt/skip-outbound-subnets":           {"x", `"x" is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address`},
		"shunt/skip-outbound-uids":              {"-1", `"-1" is not a user id: want a number from 0 to 4294967294 or a range such as 1000-1999`},
		"config.linkerd.io/proxy-uid":           {"-5", `"-5" is not a user or group id: want a number from 0 to 4294967294, or -1 for none`},
		"config.linkerd.io/proxy-gid":           {"x", `"x" is not a user or group id: want a number from 0 to 4294967294, or -1 for none`},
		"config.linkerd.io/inbound-port":        {"", `"" is not a usable port: want a number from 1 to 65535`},
		"config.linkerd.io/outbound-port":       {"0", `"0" is not a usable port: want a number from 1 to 65535`},
		"config.linkerd.io/control-port":        {"a", `"a" is not a usable port: want a number from 1 to 65535`},
		"config.linkerd.io/admin-port":          {"70000", `"70000" is not a usable port: want a number from 1 to 65535`},
	} {
		_, err := MergeAnnotations(Standard(), map[string]string{key: tc.text}, nil, ModeCNI)
		if want := "pod annotation " + key + ": " + tc.want; err == nil || err.Error() != want || !IsInput(err) {
			t.Errorf("error %v\n want %s", err, want)
		}
		if key == "linkerd.io/skip-ports" {
			continue
		}
		_, err = MergeAnnotations(Standard(), nil, map[string]string{key: tc.text}, ModeInit)
		if want := "namespace annotation " + key + ": " + tc.want; err == nil || err.Error() != want || !IsInput(err) {
			t.Errorf("error %v\n want %s", err, want)
		}
	}
}

func TestReadAnnotations(t *testing.T) {
	t.Parallel()
	got, err := ReadAnnotations(strings.NewReader("config.linkerd.io/skip-outbound-ports=\"443\"\n" +
		"empty=\"\"\n\nnote=\"two\\nlines, \\\"quoted\\\", a=b, \\u00e9 é\"\nlinkerd.io/skip-ports=\"80, 81\""))
	want := map[string]string{
		"config.linkerd.io/skip-outbound-ports": "443", "empty": "",
		"note": "two\nlines, \"quoted\", a=b, é é", "linkerd.io/skip-ports": "80, 81",
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}
	if got, err := ReadAnnotations(strings.NewReader("")); err != nil || got == nil || len(got) > 0 {
		t.Errorf("a pod without annotations: %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"a":                  `line 1 is "a": want key="value", as in a downward API volume`,
		"a=\"1\"\nb=2":       `line 2 is "b=2": want key="value", as in a downward API volume`,
		"a=\"1":              `line 1 is "a=\"1": want key="value", as in a downward API volume`,
		"a='1'":              `line 1 is "a='1'": want key="value", as in a downward API volume`,
		"a=`1`":              "line 1 is \"a=`1`\": want key=\"value\", as in a downward API volume",
		"=\"1\"":             `line 1 is "=\"1\"": want key="value", as in a downward API volume`,
		"a=\"1\"\na=\"1\"":   `line 2 sets "a" a second time: want each key once`,
		"a=\"1\" ":           `line 1 is "a=\"1\" ": want key="value", as in a downward API volume`,
		"{\"a\": \"value\"}": `line 1 is "{\"a\": \"value\"}": want key="value", as in a downward API volume`,
	} {
		if got, err := ReadAnnotations(strings.NewReader(text)); err == nil || err.Error() != want || !IsInput(err) {
			t.Errorf("%v, %v\nwant %s", got, err, want)
		}
	}
}

// The injector puts the proxy's ports that hold on the list; the standard ones
// are then ports like any other.
func TestMovedControlAndAdminPortsTakeThePlaceOfTheStandardOnes(t *testing.T) {
	t.Parallel()
	const control, admin = "config.linkerd.io/control-port", "config.linkerd.io/admin-port"
	given := Standard()
	given.Sources = Sources{"skip-inbound-ports": "flag --skip-inbound-ports"}
	for _, tt := range []struct {
		name string
		base Config
		pod  map[string]string
		mode Mode
		want string
	}{
		{"both", Standard(), map[string]string{control: "5190", admin: "5191"}, ModeInit, "4567-4568,5190-5191"},
		{"one", Standard(), map[string]string{admin: "5191"}, ModeInit, "4190,4567-4568,5191"},
		{"exchanged", Standard(), map[string]string{control: "4191", admin: "4190"}, ModeInit, "4190-4191,4567-4568"},
		{"on a list that was given", given, map[string]string{admin: "5191"}, ModeInit, "4190-4191,4567-4568,5191"},
		{"with the plugin, whose list is the node's", CNI(), map[string]string{control: "5190", admin: "5191"}, ModeCNI, "4190-4191,5190-5191"},
	} {
		if c, err := MergeAnnotations(tt.base, tt.pod, nil, tt.mode); err != nil || c.SkipInboundPorts.String() != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.name, c.SkipInboundPorts, err, tt.want)
		}
	}
}

func TestPortSetWithout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "80": "", "79-80": "79", "80-81": "81", "79-81": "79,81", "1-9,80,443": "1-9,443", "443": "443"} {
		set, err := ParsePorts(text)
		if got := set.Without(80).String(); err != nil || got != want {
			t.Errorf("%q without 80: %q, %v; want %q", text, got, err, want)
		}
	}
}
