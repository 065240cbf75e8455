package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/pflag"
)

// layers is what a test gives.
type layers struct {
	names Names
	args  []string
	env   map[string]string
	file  string // standard input
}

// load parses and loads as the command does.
func (l layers) load(t *testing.T) (Config, error) {
	t.Helper()
	fs := pflag.NewFlagSet("shunt", pflag.ContinueOnError)
	f := BindFlags(fs, l.names)
	args := l.args
	if l.file != "" {
		args = append([]string{"--config", "-"}, args...)
	}
	if err := fs.Parse(args); err != nil {
		return Config{}, FlagError(fs, err)
	}
	return f.Load(func(name string) (string, bool) {
		text, ok := l.env[name]
		return text, ok
	}, strings.NewReader(l.file))
}

// changed returns the settings that differ from the defaults, as Get says them.
func (l layers) changed(c Config) map[string]string {
	defaults := l.names.defaults()
	texts := map[string]string{}
	for _, s := range Settings() {
		if text := s.Get(&c); text != s.Get(&defaults) {
			texts[s.Name] = text
		}
	}
	return texts
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		given   layers
		want    map[string]string // what differs from the defaults
		sources Sources
	}{
		{name: "nothing given", given: layers{}, want: nil},
		{name: "nothing given under Linkerd's names", given: layers{names: LinkerdNames}, want: nil},
		{
			name: "what Linkerd's chart passes",
			given: layers{names: LinkerdNames, args: []string{
				"--ipv6=false", "--incoming-proxy-port", "4143", "--outgoing-proxy-port", "4140", "--proxy-uid", "2102",
				"--inbound-ports-to-ignore", "4190,4191,4567,4568", "--outbound-ports-to-ignore", "4567,4568",
				"--firewall-bin-path", "iptables-nft", "--firewall-save-bin-path", "iptables-nft-save",
				"--timeout-close-wait-secs", "3600", "--subnets-to-ignore", "10.0.0.0/8",
			}},
			want: map[string]string{
				"ipv6": "false", "inbound-port": "4143", "outbound-port": "4140", "proxy-uid": "2102",
				"skip-inbound-ports": "4190-4191,4567-4568", "skip-outbound-ports": "4567-4568",
				"iptables-mode": "nft", "timeout-close-wait-secs": "3600", "skip-subnets": "10.0.0.0/8",
			},
			sources: Sources{
				"ipv6": "flag --ipv6", "inbound-port": "flag --incoming-proxy-port", "outbound-port": "flag --outgoing-proxy-port",
				"proxy-uid": "flag --proxy-uid", "skip-inbound-ports": "flag --inbound-ports-to-ignore",
				"skip-outbound-ports": "flag --outbound-ports-to-ignore", "iptables-mode": "flag --firewall-bin-path",
				"timeout-close-wait-secs": "flag --timeout-close-wait-secs", "skip-subnets": "flag --subnets-to-ignore",
			},
		},
		{
			name:  "Linkerd's one-letter flags stand for Linkerd's names",
			given: layers{names: LinkerdNames, args: []string{"-p", "1", "-o2", "--proxy-uid", "5", "-g=3", "--ports-to-redirect", "80"}},
			want:  map[string]string{"inbound-port": "1", "outbound-port": "2", "proxy-uid": "5", "proxy-gid": "3", "ports-to-redirect": "80"},
			sources: Sources{"inbound-port": "flag --incoming-proxy-port", "outbound-port": "flag --outgoing-proxy-port", "proxy-uid": "flag --proxy-uid",
				"proxy-gid": "flag --proxy-gid", "ports-to-redirect": "flag --ports-to-redirect"},
		},
		{
			name:    "a repeated list flag adds up, in place of the default",
			given:   layers{args: []string{"--skip-inbound-ports", "80, 81", "--skip-inbound-ports=82"}},
			want:    map[string]string{"skip-inbound-ports": "80-82"},
			sources: Sources{"skip-inbound-ports": "flag --skip-inbound-ports"},
		},
		{
			name:    "both names of a list flag are the same flag",
			given:   layers{args: []string{"--inbound-ports-to-ignore", "80", "--skip-inbound-ports", "90"}},
			want:    map[string]string{"skip-inbound-ports": "80,90"},
			sources: Sources{"skip-inbound-ports": "flag --inbound-ports-to-ignore + flag --skip-inbound-ports"},
		},
		{
			name:    "of a repeated single value the last counts",
			given:   layers{args: []string{"--inbound-port", "1", "--incoming-proxy-port", "2"}},
			want:    map[string]string{"inbound-port": "2"},
			sources: Sources{"inbound-port": "flag --incoming-proxy-port"},
		},
		{
			name:    "an empty value is an empty list",
			given:   layers{args: []string{"--skip-inbound-ports=", "--skip-outbound-ports", ""}},
			want:    map[string]string{"skip-inbound-ports": "", "skip-outbound-ports": ""},
			sources: Sources{"skip-inbound-ports": "flag --skip-inbound-ports", "skip-outbound-ports": "flag --skip-outbound-ports"},
		},
		{
			name: "a higher layer replaces a lower one",
			given: layers{
				file: "skip-inbound-ports: [1]\nskip-outbound-ports: [1]\nskip-subnets: 10.0.0.0/8\nproxy-uid: 1\n",
				env:  map[string]string{"SHUNT_SKIP_INBOUND_PORTS": "2", "SHUNT_SKIP_OUTBOUND_PORTS": "2"},
				args: []string{"--skip-inbound-ports", "3"},
			},
			want: map[string]string{"skip-inbound-ports": "3", "skip-outbound-ports": "2", "skip-subnets": "10.0.0.0/8", "proxy-uid": "1"},
			sources: Sources{"skip-inbound-ports": "flag --skip-inbound-ports", "skip-outbound-ports": "environment SHUNT_SKIP_OUTBOUND_PORTS",
				"skip-subnets": "standard input", "proxy-uid": "standard input"},
		},
		{
			name:  "skip-ports adds to both lists",
			given: layers{args: []string{"--skip-ports", "8080", "--skip-inbound-ports", "80"}},
			want:  map[string]string{"skip-inbound-ports": "80,8080", "skip-outbound-ports": "4567-4568,8080"},
			sources: Sources{"skip-inbound-ports": "flag --skip-inbound-ports + flag --skip-ports",
				"skip-outbound-ports": "default + flag --skip-ports"},
		},
		{
			name: "skip-ports of a low layer adds to a list of a high one, and is replaced by skip-ports of a high one",
			given: layers{
				file: "skip-ports: 1\n",
				env:  map[string]string{"SHUNT_SKIP_PORTS": "2"},
				args: []string{"--skip-inbound-ports=80", "--skip-outbound-ports="},
			},
			want: map[string]string{"skip-inbound-ports": "2,80", "skip-outbound-ports": "2"},
			sources: Sources{"skip-inbound-ports": "flag --skip-inbound-ports + environment SHUNT_SKIP_PORTS",
				"skip-outbound-ports": "flag --skip-outbound-ports + environment SHUNT_SKIP_PORTS"},
		},
		{
			name:  "empty skip-ports take back those of a lower layer",
			given: layers{file: "skip-ports: 1\n", args: []string{"--skip-ports="}},
		},
		{
			name: "SHUNT variables that are none of ours",
			given: layers{env: map[string]string{
				"SHUNT_PORT": "tcp://10.0.0.1:80", "SHUNT_SERVICE_HOST": "10.0.0.1", "SHUNT_PORT_80_TCP": "tcp://10.0.0.1:80", "SHUNT_NONSENSE": "x",
			}},
		},
		{
			name: "every setting by environment",
			given: layers{env: map[string]string{
				"SHUNT_INBOUND_PORT": "1", "SHUNT_OUTBOUND_PORT": "2", "SHUNT_CONTROL_PORT": "3", "SHUNT_ADMIN_PORT": "4",
				"SHUNT_PROXY_UID": "5", "SHUNT_PROXY_GID": "6", "SHUNT_PORTS_TO_REDIRECT": "7",
				"SHUNT_SKIP_SUBNETS": "10.0.0.0/8", "SHUNT_SKIP_OUTBOUND_SUBNETS": "fd00::/8", "SHUNT_SKIP_OUTBOUND_UIDS": "9",
				"SHUNT_INBOUND_LOCAL_ONLY": "true", "SHUNT_IPV6": "true", "SHUNT_BACKEND": "iptables", "SHUNT_IPTABLES_MODE": "legacy",
				"SHUNT_LOCK_TIMEOUT": "1500ms", "SHUNT_TIMEOUT_CLOSE_WAIT_SECS": "60",
			}},
			want: map[string]string{
				"inbound-port": "1", "outbound-port": "2", "control-port": "3", "admin-port": "4", "proxy-uid": "5", "proxy-gid": "6",
				"ports-to-redirect": "7", "skip-subnets": "10.0.0.0/8", "skip-outbound-subnets": "fd00::/8", "skip-outbound-uids": "9",
				"inbound-local-only": "true", "ipv6": "true", "backend": "iptables", "iptables-mode": "legacy",
				"lock-timeout": "1.5s", "timeout-close-wait-secs": "60",
			},
			sources: Sources{
				"inbound-port": "environment SHUNT_INBOUND_PORT", "outbound-port": "environment SHUNT_OUTBOUND_PORT",
				"control-port": "environment SHUNT_CONTROL_PORT", "admin-port": "environment SHUNT_ADMIN_PORT",
				"proxy-uid": "environment SHUNT_PROXY_UID", "proxy-gid": "environment SHUNT_PROXY_GID",
				"ports-to-redirect": "environment SHUNT_PORTS_TO_REDIRECT", "skip-subnets": "environment SHUNT_SKIP_SUBNETS",
				"skip-outbound-subnets": "environment SHUNT_SKIP_OUTBOUND_SUBNETS", "skip-outbound-uids": "environment SHUNT_SKIP_OUTBOUND_UIDS",
				"inbound-local-only": "environment SHUNT_INBOUND_LOCAL_ONLY", "ipv6": "environment SHUNT_IPV6",
				"backend": "environment SHUNT_BACKEND", "iptables-mode": "environment SHUNT_IPTABLES_MODE",
				"lock-timeout": "environment SHUNT_LOCK_TIMEOUT", "timeout-close-wait-secs": "environment SHUNT_TIMEOUT_CLOSE_WAIT_SECS",
			},
		},
		{
			name:    "the mode overrides the binaries, whatever they are",
			given:   layers{args: []string{"--firewall-bin-path", "/opt/iptables", "--iptables-mode", "plain", "--firewall-save-bin-path", "x"}},
			want:    map[string]string{"iptables-mode": "plain"},
			sources: Sources{"iptables-mode": "flag --iptables-mode"},
		},
		{
			name:    "the binaries override the mode of a lower layer",
			given:   layers{env: map[string]string{"SHUNT_IPTABLES_MODE": "plain"}, args: []string{"--firewall-bin-path=iptables-legacy"}},
			want:    map[string]string{"iptables-mode": "legacy"},
			sources: Sources{"iptables-mode": "flag --firewall-bin-path"},
		},
		{
			name:    "the binary decides over that of -save, as in Linkerd",
			given:   layers{args: []string{"--firewall-bin-path=iptables", "--firewall-save-bin-path=iptables-nft-save"}},
			want:    map[string]string{"iptables-mode": "plain"},
			sources: Sources{"iptables-mode": "flag --firewall-bin-path"},
		},
		{
			name:    "the binary of -save alone",
			given:   layers{args: []string{"--firewall-bin-path=", "--firewall-save-bin-path=iptables-legacy-save"}},
			want:    map[string]string{"iptables-mode": "legacy"},
			sources: Sources{"iptables-mode": "flag --firewall-save-bin-path"},
		},
		{
			name:    "a bool flag without a value is true",
			given:   layers{file: "ipv6: false\n", args: []string{"--ipv6", "--inbound-local-only"}},
			want:    map[string]string{"inbound-local-only": "true", "ipv6": "true"},
			sources: Sources{"ipv6": "flag --ipv6", "inbound-local-only": "flag --inbound-local-only"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := tc.given.load(t)
			if err != nil {
				t.Fatal(err)
			}
			if got := tc.given.changed(c); !maps.Equal(got, tc.want) {
				t.Errorf("changed %v\n   want %v", got, tc.want)
			}
			if !maps.Equal(c.Sources, tc.sources) {
				t.Errorf("sources %v\n   want %v", c.Sources, tc.sources)
			}
		})
	}
}

func TestBadInputIsOneClearLine(t *testing.T) {
	t.Parallel()
	const notPort = " is not a port: want a number from 0 to 65535 or a range such as 4000-4100"
	const notOnePort = " is not a usable port: want a number from 1 to 65535"
	const notID = " is not a user or group id: want a number from 0 to 4294967294, or -1 for none"
	flag := func(args ...string) layers { return layers{args: args} }
	env := func(name, text string) layers { return layers{env: map[string]string{name: text}} }
	for _, tc := range []struct {
		given layers
		want  string
	}{
		{flag("--skip-outbound-ports", "99999"), `flag --skip-outbound-ports: "99999"` + notPort},
		{flag("--outbound-ports-to-ignore", "99999"), `flag --outbound-ports-to-ignore: "99999"` + notPort},
		{flag("--skip-inbound-ports", "abc"), `flag --skip-inbound-ports: "abc"` + notPort},
		{flag("--skip-ports", "80-"), `flag --skip-ports: "80-"` + notPort},
		{flag("--skip-ports", "200-100"), `flag --skip-ports: "200-100" is a descending range: want the lower port first, 100-200`},
		{flag("--ports-to-redirect", "99999"), `flag --ports-to-redirect: "99999"` + notPort},
		{flag("--inbound-port", "0"), `flag --inbound-port: "0"` + notOnePort},
		{flag("--inbound-port", "70000"), `flag --inbound-port: "70000"` + notOnePort},
		{flag("--inbound-port", "70000", "--inbound-port", "80"), `flag --inbound-port: "70000"` + notOnePort},
		{flag("--incoming-proxy-port", "70000", "--inbound-port", "80"), `flag --incoming-proxy-port: "70000"` + notOnePort},
		{flag("--outgoing-proxy-port="), `flag --outgoing-proxy-port: ""` + notOnePort},
		{flag("--proxy-uid", "-5"), `flag --proxy-uid: "-5"` + notID},
		{flag("--proxy-uid", "abc"), `flag --proxy-uid: "abc"` + notID},
		{flag("--proxy-gid", "4294967295"), `flag --proxy-gid: "4294967295"` + notID},
		{flag("--subnets-to-ignore", "300.1.1.1/8"), `flag --subnets-to-ignore: "300.1.1.1/8" is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address`},
		{flag("--skip-outbound-subnets", "10.0.0.1/33"), `flag --skip-outbound-subnets: "10.0.0.1/33" is not a subnet: want CIDR such as 10.0.0.0/8 or fd00::/8, or an address`},
		{flag("--skip-outbound-uids", "root"), `flag --skip-outbound-uids: "root" is not a user id: want a number from 0 to 4294967294 or a range such as 1000-1999`},
		{flag("--backend", "nft"), `flag --backend: invalid value "nft": want auto, nftables or iptables`},
		{flag("--iptables-mode", ""), `flag --iptables-mode: invalid value "": want auto, legacy, nft or plain`},
		{flag("--firewall-bin-path", "/sbin/iptables"), `flag --firewall-bin-path: "/sbin/iptables" is not a command that shunt knows: want iptables, iptables-legacy or iptables-nft`},
		{flag("--firewall-bin-path", "iptables-save"), `flag --firewall-bin-path: "iptables-save" is not a command that shunt knows: want iptables, iptables-legacy or iptables-nft`},
		{flag("--firewall-save-bin-path", "iptables"), `flag --firewall-save-bin-path: "iptables" is not a command that shunt knows: want iptables-save, iptables-legacy-save or iptables-nft-save`},
		{flag("--ipv6=maybe"), `flag --ipv6: "maybe" is neither true nor false`},
		{flag("--lock-timeout", "0s"), `flag --lock-timeout: "0s" is not a usable duration: want more than zero, such as 5s or 500ms`},
		{flag("--lock-timeout", "5"), `flag --lock-timeout: "5" is not a usable duration: want more than zero, such as 5s or 500ms`},
		{flag("--timeout-close-wait-secs", "-1"), `flag --timeout-close-wait-secs: "-1" is not a usable number of seconds: want a whole number from 0 to 2147483`},
		{flag("--timeout-close-wait-secs", "2147484"), `flag --timeout-close-wait-secs: "2147484" is not a usable number of seconds: want a whole number from 0 to 2147483`},
		{flag("--timeout-close-wait-secs", "1.5"), `flag --timeout-close-wait-secs: "1.5" is not a usable number of seconds: want a whole number from 0 to 2147483`},
		{flag("--config", ""), `flag --config: want the path of a file, or - for standard input`},
		{flag("--config", "a", "--config", "b"), `flag --config is given twice ("a" and "b"): want one file`},
		{flag("--skip-inbound-port", "1"), `unknown flag --skip-inbound-port: did you mean --skip-inbound-ports?`},
		{flag("--inbound-ports-to-ingore=1"), `unknown flag --inbound-ports-to-ingore: did you mean --inbound-ports-to-ignore?`},
		{flag("--Skip_Ports=1"), `unknown flag --Skip_Ports: did you mean --skip-ports?`},
		{flag("--skip-inbound=1"), `unknown flag --skip-inbound: did you mean --skip-inbound-ports?`},
		{flag("--frobnicate"), `unknown flag --frobnicate: see --help`},
		{flag("-x"), `unknown flag -x: see --help`},
		{flag("-xyz"), `unknown flag -x in -xyz: see --help`},
		{flag("--backend"), `flag --backend needs a value (auto|nftables|iptables)`},
		{flag("--inbound-port"), "flag --inbound-port needs a value (port)"},
		{flag("-p", "80"), "unknown flag -p: Linkerd's one-letter flags are known to proxy-init alone, here it is --inbound-port"},
		{env("SHUNT_SKIP_PORTS", "80,99999"), `environment SHUNT_SKIP_PORTS: "99999"` + notPort},
		{env("SHUNT_BACKEND", ""), `environment SHUNT_BACKEND: invalid value "": want auto, nftables or iptables`},
		{
			layers{file: "skip-ports: 99999\n", args: []string{"--skip-ports", "80"}},
			`standard input: skip-ports: "99999"` + notPort,
		},
		{
			layers{file: "proxy-uid: -5\n", args: []string{"--proxy-uid", "80"}},
			`standard input: proxy-uid: "-5"` + notID,
		},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			_, err := tc.given.load(t)
			if err == nil || err.Error() != tc.want {
				t.Fatalf("error %v\n want %s", err, tc.want)
			}
			if !IsInput(err) || !IsInput(fmt.Errorf("init: %w", err)) {
				t.Error("is not an InputError")
			}
		})
	}
}

func TestServiceVariableOfKubernetesIsPassedOverWithAWarning(t *testing.T) {
	t.Parallel()
	c, err := layers{env: map[string]string{"SHUNT_ADMIN_PORT": "tcp://10.0.0.1:80"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`environment SHUNT_ADMIN_PORT: "tcp://10.0.0.1:80" is what Kubernetes sets for a Service of that name: ignored`}
	if c.AdminPort != StandardAdminPort || !slices.Equal(c.Warnings, want) {
		t.Errorf("admin port %d, warnings %q", c.AdminPort, c.Warnings)
	}
}

func TestMaskedSubnetsAreSaidButNotAThousandTimes(t *testing.T) {
	t.Parallel()
	c, err := layers{args: []string{"--skip-subnets", "10.0.0.1/8, 10.0.0.2/8, 10.0.0.3/8, 10.0.0.4/8, 10.0.0.5/8"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"flag --skip-subnets: 10.0.0.1/8 has host bits set: taken as 10.0.0.0/8",
		"flag --skip-subnets: 10.0.0.2/8 has host bits set: taken as 10.0.0.0/8",
		"flag --skip-subnets: 10.0.0.3/8 has host bits set: taken as 10.0.0.0/8",
		"flag --skip-subnets: 2 more subnets have host bits set",
	}
	if c.SkipSubnets.String() != "10.0.0.0/8" || !slices.Equal(c.Warnings, want) {
		t.Errorf("%s with %q", c.SkipSubnets, c.Warnings)
	}
}

func TestConfigFileOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "shunt.yaml")
	if err := os.WriteFile(path, []byte("skip-outbound-ports: [3306]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := layers{args: []string{"--config", path}}.load(t)
	if err != nil || c.SkipOutboundPorts.String() != "3306" || c.Sources.Of("skip-outbound-ports") != Source("file "+path) {
		t.Errorf("%v from %v, %v", c.SkipOutboundPorts, c.Sources, err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): "open file " + filepath.Join(dir, "absent") + ": no such file or directory",
		dir:                          "read file " + dir + ": is a directory",
		"/dev/zero":                  "read file /dev/zero: it is larger than 1024 KiB, the most that shunt reads: is this the right file?",
	} {
		_, err := layers{args: []string{"--config", path}}.load(t)
		if err == nil || err.Error() != want || !IsInput(err) {
			t.Errorf("error %v\n want %s", err, want)
		}
	}
	if _, err := (layers{args: []string{"--config", filepath.Join(dir, "absent")}}).load(t); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap what the system said", err)
	}
}

func TestStandardInputThatFails(t *testing.T) {
	t.Parallel()
	_, err := readFile("-", iotest.ErrReader(errors.New("connection lost")), Settings())
	if err == nil || err.Error() != "read standard input: connection lost" || !IsInput(err) {
		t.Errorf("error %v", err)
	}
}

// A Deployment's environment is inherited by its init container, and Linkerd's
// program reads none.
func TestUnderLinkerdsNamesTheEnvironmentDoesNotCount(t *testing.T) {
	t.Parallel()
	env := map[string]string{"SHUNT_SKIP_OUTBOUND_PORTS": "1-65535", "SHUNT_ADMIN_PORT": "tcp://10.0.0.1:80", "SHUNT_PROXY_UID": "root"}
	c, err := layers{names: LinkerdNames, args: []string{"-p", "4143", "-o", "4140", "-u", "2102"}, env: env}.load(t)
	if err != nil || len(c.SkipOutboundPorts) > 0 || len(c.Warnings) > 0 {
		t.Errorf("it skips outbound %s, %v, %q", c.SkipOutboundPorts, err, c.Warnings)
	}
}

func TestEmptyEntriesAreIgnoredWithAWarning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, want, warning string
	}{
		{"--inbound-ports-to-ignore 3306,", "3306", `flag --inbound-ports-to-ignore: "3306," has an empty entry, which is ignored`},
		{"--inbound-ports-to-ignore ,3306,,80", "80,3306", `flag --inbound-ports-to-ignore: ",3306,,80" has 2 empty entries, which are ignored`},
		{"--inbound-ports-to-ignore ,", "", `flag --inbound-ports-to-ignore: "," has 2 empty entries, which are ignored`},
		{"--inbound-ports-to-ignore 3306", "3306", ""},
	} {
		c, err := layers{names: LinkerdNames, args: strings.Fields(tt.args)}.load(t)
		if got := strings.Join(c.Warnings, "; "); err != nil || c.SkipInboundPorts.String() != tt.want || got != tt.warning {
			t.Errorf("%s: %s, %v, warning %s", tt.args, c.SkipInboundPorts, err, got)
		}
	}
	c, err := layers{args: []string{"--skip-subnets", "10.0.0.1/8,", "--skip-outbound-uids", ",7", "--skip-ports", "80,"}}.load(t)
	if err != nil || c.SkipSubnets.String() != "10.0.0.0/8" || c.SkipOutboundUIDs.String() != "7" || len(c.Warnings) != 4 {
		t.Errorf("%s and %s, %v, %q", c.SkipSubnets, c.SkipOutboundUIDs, err, c.Warnings)
	}
}
