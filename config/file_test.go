package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, file string
		setting    string // empty: the file gives nothing
		want       string
	}{
		{name: "empty", file: ""},
		{name: "only comments", file: "# nothing\n\n  # at all\n"},
		{name: "only a document marker", file: "---\n"},
		{name: "an empty mapping", file: "{}"},
		{name: "a list of numbers", file: "skip-ports: [80, 443]", setting: "skip-ports", want: "80,443"},
		{name: "a list of numbers and ranges", file: "skip-ports:\n- 80\n- 4000-4100\n- \"443\"\n", setting: "skip-ports", want: "80,4000-4100,443"},
		{name: "a comma list", file: "skip-ports: 80, 443", setting: "skip-ports", want: "80, 443"},
		{name: "comma lists in a list", file: "skip-ports: ['80,81', 443]", setting: "skip-ports", want: "80,81,443"},
		{name: "one number", file: "skip-ports: 80", setting: "skip-ports", want: "80"},
		{name: "an empty list", file: "skip-ports: []", setting: "skip-ports", want: ""},
		{name: "an empty text", file: "skip-ports: \"\"", setting: "skip-ports", want: ""},
		{name: "what Linkerd's templates make of no ports", file: `{"inbound-ports-to-ignore": [""]}`, setting: "skip-inbound-ports", want: ""},
		{name: "a leading zero is not octal", file: "skip-ports: [0443]", setting: "skip-ports", want: "0443"},
		{name: "subnets", file: "skip-subnets: [10.0.0.0/8, 'fd00::/8']", setting: "skip-subnets", want: "10.0.0.0/8,fd00::/8"},
		{name: "a port as a number", file: "inbound-port: 4143", setting: "inbound-port", want: "4143"},
		{name: "a port as a text", file: "inbound-port: '4143'", setting: "inbound-port", want: "4143"},
		{name: "Linkerd's key", file: "incoming-proxy-port: 4143", setting: "inbound-port", want: "4143"},
		{name: "no uid", file: "proxy-uid: -1", setting: "proxy-uid", want: "-1"},
		{name: "a boolean", file: "ipv6: false", setting: "ipv6", want: "false"},
		{name: "a boolean in YAML's other words", file: "ipv6: no", setting: "ipv6", want: "false"},
		{name: "a choice", file: "backend: nftables", setting: "backend", want: "nftables"},
		{name: "a duration", file: "lock-timeout: 1m", setting: "lock-timeout", want: "1m"},
		{name: "seconds", file: "timeout-close-wait-secs: 60", setting: "timeout-close-wait-secs", want: "60"},
		{name: "JSON with tabs", file: "{\n\t\"skip-ports\": [\n\t\t80,\n\t\t\"81-82\"\n\t]\n}\n", setting: "skip-ports", want: "80,81-82"},
		{name: "empty documents around", file: "---\n---\nskip-ports: 80\n---\n", setting: "skip-ports", want: "80"},
		{name: "windows line ends and a byte order mark", file: "\ufeffskip-ports: 80\r\n", setting: "skip-ports", want: "80"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			settings := Settings()
			l, err := parseFile("file x.yaml", []byte(tc.file), settings)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range settings {
				switch values := l[i]; {
				case s.Name != tc.setting:
					if len(values) != 0 {
						t.Errorf("%s was given too: %v", s.Name, values)
					}
				case len(values) != 1 || values[0].Text != tc.want || values[0].Source != "file x.yaml":
					t.Errorf("%s is %+v, want %q", s.Name, values, tc.want)
				default:
					var c Config
					if err := s.Set(&c, values...); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestFileRejects(t *testing.T) {
	t.Parallel()
	const mapping = "want a mapping of settings to values, such as skip-inbound-ports: [80, 443]"
	const keys = "want inbound-port, outbound-port, control-port, admin-port, proxy-uid, proxy-gid, ports-to-redirect, skip-inbound-ports, skip-outbound-ports, skip-ports, skip-subnets, skip-outbound-subnets, skip-outbound-uids, inbound-local-only, ipv6, backend, iptables-mode, lock-timeout or timeout-close-wait-secs"
	const wantPorts = "want ports and ranges such as [80, 4000-4100], [] for none"
	for _, tc := range []struct {
		file, want string
	}{
		{"skip-inbound-port: 80", `unknown key "skip-inbound-port" in file x.yaml: did you mean "skip-inbound-ports"?`},
		{"subnets-to-ingore: 80", `unknown key "subnets-to-ingore" in file x.yaml: did you mean "subnets-to-ignore"?`},
		{"a: 80", `unknown key "a" in file x.yaml: ` + keys},
		{"ipv6: true\nskip-ports: 1\nipv6: false\n", `file x.yaml: line 3: ipv6 is set twice: one value would be lost`},
		{"skip-inbound-ports: 1\ninbound-ports-to-ignore: 2\n", `file x.yaml: skip-inbound-ports and inbound-ports-to-ignore are two names of one setting: give one of them`},
		{"ipv6: true\n---\nipv6: true\n", `file x.yaml: something follows the end of the first document: want one document`},
		{`{"ipv6": true} {"ipv6": false}`, `file x.yaml: something follows the end of the first document: want one document`},
		{"{ipv6: true}\nrubbish", `file x.yaml: something follows the end of the first document: want one document`},
		{"ipv6: true\n...\nrubbish", `file x.yaml: something follows the end of the first document: want one document`},
		{"rubbish", "file x.yaml: line 1: " + mapping},
		{"[80]", "file x.yaml: line 1: " + mapping},
		{"# ports\n- 80\n", "file x.yaml: line 2: " + mapping},
		{"[a]: 1", `unknown key "" in file x.yaml: ` + keys},
		{"ipv6: true\nskip-ports: [80\n", "file x.yaml: line 2: did not find expected ',' or ']'"},
		{"a\nb: 1", "file x.yaml: line 2: mapping values are not allowed in this context"},
		{"skip-ports: *x", "file x.yaml: line 1: unknown anchor 'x' referenced"},
		{"skip-ports: &x [1, *x]", "file x.yaml: skip-ports: got a list of more than numbers and strings: " + wantPorts},
		{"skip-ports:", "file x.yaml: skip-ports: got no value: " + wantPorts},
		{"skip-ports: null", "file x.yaml: skip-ports: got no value: " + wantPorts},
		{"skip-ports: NULL", "file x.yaml: skip-ports: got no value: " + wantPorts},
		{"skip-ports: true", "file x.yaml: skip-ports: got the boolean true: " + wantPorts},
		{"skip-ports: {a: 1}", "file x.yaml: skip-ports: got a mapping: " + wantPorts},
		{"skip-ports: [[80]]", "file x.yaml: skip-ports: got a list of more than numbers and strings: " + wantPorts},
		{"skip-ports: [{a: 80}]", "file x.yaml: skip-ports: got a list of more than numbers and strings: " + wantPorts},
		{"skip-subnets: yes", "file x.yaml: skip-subnets: got the boolean true: want subnets such as [10.0.0.0/8, fd00::/8], [] for none"},
		{"skip-outbound-uids: yes", "file x.yaml: skip-outbound-uids: got the boolean true: want user ids and ranges such as [0, 1000-1999], [] for none"},
		{"inbound-port: [80]", "file x.yaml: inbound-port: got a list: want a port from 1 to 65535"},
		{"proxy-uid: [80]", "file x.yaml: proxy-uid: got a list: want a number, or -1 for none"},
		{"ipv6: \"true\"", `file x.yaml: ipv6: got the text "true": want true or false`},
		{"ipv6: 1", `file x.yaml: ipv6: got the number "1": want true or false`},
		{"backend: off", "file x.yaml: backend: got the boolean false: want auto, nftables or iptables"},
		{"lock-timeout: 5", `file x.yaml: lock-timeout: got the number "5": want a duration such as 5s or 500ms`},
		{"timeout-close-wait-secs: [5]", "file x.yaml: timeout-close-wait-secs: got a list: want whole seconds, 0 or more"},
		{"skip-ports: [80, null]", `file x.yaml: skip-ports: "null" is not a port: want a number from 0 to 65535 or a range such as 4000-4100`},
		{"skip-ports: [80, 80.5]", `file x.yaml: skip-ports: "80.5" is not a port: want a number from 0 to 65535 or a range such as 4000-4100`},
		{"proxy-uid: 0x10", `file x.yaml: proxy-uid: "0x10" is not a user or group id: want a number from 0 to 4294967294, or -1 for none`},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Parallel()
			settings := Settings()
			var c Config
			l, err := parseFile("file x.yaml", []byte(tc.file), settings)
			if err == nil {
				err = c.apply(settings, l)
			}
			if err == nil || err.Error() != tc.want || !IsInput(err) {
				t.Errorf("error %v\n want %s", err, tc.want)
			}
		})
	}
}

// A few lines of aliases can stand for more entries than fit in memory.
func TestFileOfAliasesDoesNotBlowUp(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	file.WriteString("a0: &a0 [80,80,80,80,80,80,80,80,80]\n")
	for i := range 12 {
		fmt.Fprintf(&file, "a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	if _, err := parseFile("file x.yaml", []byte(file.String()), Settings()); err == nil || len(err.Error()) > 600 {
		t.Errorf("error %v", err)
	}
}

func TestFileErrorDoesNotRepeatAMegabyte(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("é", 1<<19)
	for _, file := range []string{"? " + key + "\n: 1\n? " + key + "\n: 2\n", "? " + key + "\n: 1\n", "skip-ports: " + key} {
		settings := Settings()
		l, err := parseFile("file x.yaml", []byte(file), settings)
		if err == nil {
			err = new(Config).apply(settings, l)
		}
		if err == nil || len(err.Error()) > 600 || strings.Contains(err.Error(), "\ufffd") {
			t.Errorf("want a short error, got one of %d bytes", len(fmt.Sprint(err)))
		}
	}
}

// A wrong path, such as /dev/zero, ends in an error and not in the memory limit.
func TestEndlessInputIsReadUpToABound(t *testing.T) {
	t.Parallel()
	const want = "it is larger than %d KiB, the most that shunt reads: is this the right file?"
	zeros := &counting{}
	if _, err := readFile("-", zeros, Settings()); err == nil || err.Error() != "read standard input: "+fmt.Sprintf(want, 1024) {
		t.Errorf("--config: %v", err)
	}
	if zeros.read > 2*maxFile {
		t.Errorf("--config: read %d bytes", zeros.read)
	}
	zeros = &counting{}
	if _, err := ReadAnnotations(zeros); err == nil || err.Error() != fmt.Sprintf(want, 2048) || !IsInput(err) {
		t.Errorf("--annotations-file: %v", err)
	}
	if zeros.read > 2*maxAnnotations {
		t.Errorf("--annotations-file: read %d bytes", zeros.read)
	}
}

// counting is an endless file of zeros.
type counting struct{ read int }

func (c *counting) Read(p []byte) (int, error) {
	clear(p)
	c.read += len(p)
	return len(p), nil
}

func TestAHundredThousandEntries(t *testing.T) {
	t.Parallel()
	var block, flow strings.Builder
	block.WriteString("skip-inbound-ports:\n")
	flow.WriteString(`{"skip-inbound-ports": [0`)
	for i := range 100_000 {
		port := i * 7919 % 65536 / 2 * 2
		fmt.Fprintf(&block, "- %d\n", port)
		fmt.Fprintf(&flow, `,"%d"`, port)
	}
	flow.WriteString("]}")
	for _, file := range []string{block.String(), flow.String()} {
		c, err := layers{file: file}.load(t)
		if err != nil || len(c.SkipInboundPorts) != 32768 {
			t.Errorf("%d ranges, %v", len(c.SkipInboundPorts), err)
		}
	}
}
