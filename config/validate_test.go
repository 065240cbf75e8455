package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	const loop = ", so the proxy's own connections would be redirected to it in a loop: give --proxy-uid or "
	for _, tc := range []struct {
		name  string
		names Names
		args  string
		err   string
	}{
		{name: "standard"},
		{name: "a uid", args: "--proxy-uid 1"},
		{name: "uid 0 is exempt", args: "--proxy-uid 0"},
		{name: "a gid in place of a uid", args: "--proxy-uid -1 --proxy-gid 2102"},
		{name: "Linkerd's names need the inbound port", names: LinkerdNames,
			err: "the proxy's inbound-port is not set: give --inbound-port (Linkerd: --incoming-proxy-port)"},
		{name: "Linkerd's names need the outbound port", names: LinkerdNames, args: "-p 4143",
			err: "the proxy's outbound-port is not set: give --outbound-port (Linkerd: --outgoing-proxy-port)"},
		{name: "Linkerd's names need a uid or a gid", names: LinkerdNames, args: "-p 4143 -o 4140",
			err: "there is neither a proxy-uid nor a proxy-gid" + loop + "--proxy-gid"},
		{name: "Linkerd's names and a gid without a uid", names: LinkerdNames, args: "-p 4143 -o 4140 -g 2102"},
		{name: "Linkerd's names and a gid that exempts nothing", names: LinkerdNames, args: "-p 4143 -o 4140 -g 0",
			err: "there is no proxy-uid, and proxy-gid 0 (flag --proxy-gid) exempts nothing" + loop + "another --proxy-gid"},
		{name: "Linkerd's names and all they need", names: LinkerdNames, args: "-p 4143 -o 4140 -u 2102"},
		{name: "Linkerd's names and a gid only", names: LinkerdNames, args: "-p 4143 -o 4140 -u -1 -g 7"},
		{name: "no uid and no gid", args: "--proxy-uid -1",
			err: "proxy-uid is -1 (flag --proxy-uid) and there is no proxy-gid" + loop + "--proxy-gid"},
		{name: "no uid, and no gid said", args: "--proxy-uid -1 --proxy-gid -1",
			err: "proxy-uid is -1 (flag --proxy-uid) and there is no proxy-gid" + loop + "--proxy-gid"},
		{name: "no uid, and a gid that exempts nothing", args: "--proxy-uid -1 --proxy-gid 0",
			err: "there is no proxy-uid, and proxy-gid 0 (flag --proxy-gid) exempts nothing" + loop + "another --proxy-gid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := layers{names: tc.names, args: strings.Fields(tc.args)}.load(t)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Validate()
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || err.Error() != tc.err || !IsInput(err)) {
				t.Errorf("error %v\n want %s", err, tc.err)
			}
		})
	}
}

func TestValidateRejectsWhatNoReaderMakes(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"inbound-port is not set":                func(c *Config) { c.InboundPort = 0 },
		"test: port 0 cannot be redirected":      func(c *Config) { c.OutboundPort, c.Sources = 0, Sources{"outbound-port": "test"} },
		"proxy-uid -2 is not a user id":          func(c *Config) { c.ProxyUID = -2 },
		"proxy-uid 4294967295 is not a user id":  func(c *Config) { c.ProxyUID = MaxID + 1 },
		"proxy-gid 4294967295 is not a group id": func(c *Config) { c.ProxyGID = MaxID + 1 },
		"proxy-gid -2 is not a group id":         func(c *Config) { c.ProxyGID = -2 },
		`invalid backend "": want`:               func(c *Config) { c.Backend = "" },
		`invalid iptables-mode "x": want`:        func(c *Config) { c.IptablesMode = "x" },
		"lock-timeout 0s":                        func(c *Config) { c.LockTimeout = 0 },
		"timeout-close-wait-secs 1.5s":           func(c *Config) { c.CloseWait = 1500 * time.Millisecond },
		"timeout-close-wait-secs -1s":            func(c *Config) { c.CloseWait = -time.Second },
		"timeout-close-wait-secs 596523h15m":     func(c *Config) { c.CloseWait = 2147483700 * time.Second },
	} {
		c := Standard()
		change(&c)
		if _, err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || !IsInput(err) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, args string
		want       []string
	}{
		{name: "standard", args: ""},
		{name: "equal ports", args: "--inbound-port 4140",
			want: []string{"inbound-port (flag --inbound-port) and outbound-port (default) are both 4140: the proxy cannot tell the directions apart"}},
		{name: "uid 0", args: "--proxy-uid 0",
			want: []string{"proxy-uid (flag --proxy-uid) is 0: every outbound connection of root bypasses the proxy"}},
		{name: "gid 0", args: "--proxy-gid 0",
			want: []string{"proxy-gid (flag --proxy-gid) is 0, which exempts nothing: every process of many images has group 0"}},
		{name: "the proxy's own servers left out", args: "--skip-inbound-ports 80",
			want: []string{"skip-inbound-ports (flag --skip-inbound-ports) leaves out 4190-4191 of the proxy's own control and admin servers: connections to them are redirected to the proxy"}},
		{name: "one of them left out", args: "--skip-inbound-ports 4191",
			want: []string{"skip-inbound-ports (flag --skip-inbound-ports) leaves out 4190 of the proxy's own control and admin servers: connections to them are redirected to the proxy"}},
		{name: "another admin port left out", args: "--admin-port 9000",
			want: []string{"skip-inbound-ports (default) leaves out 9000 of the proxy's own control and admin servers: connections to them are redirected to the proxy"}},
		{name: "left out, but not redirected either", args: "--skip-inbound-ports= --ports-to-redirect 80"},
		{name: "everything skipped", args: "--skip-ports 0-65535",
			want: []string{"skip-inbound-ports (default + flag --skip-ports) covers every port: nothing in this direction reaches the proxy",
				"skip-outbound-ports (default + flag --skip-ports) covers every port: nothing in this direction reaches the proxy"}},
		{name: "everything but port 0", args: "--skip-outbound-ports 1-65535",
			want: []string{"skip-outbound-ports (flag --skip-outbound-ports) covers every port: nothing in this direction reaches the proxy"}},
		{name: "everything but port 1", args: "--skip-outbound-ports 2-65535"},
		{name: "every address", args: "--skip-subnets 0.0.0.0/0 --skip-outbound-subnets ::/1,8000::/1",
			want: []string{"skip-subnets (flag --skip-subnets) covers every IPv4 address: nothing in this direction reaches the proxy over it",
				"skip-outbound-subnets (flag --skip-outbound-subnets) covers every IPv6 address: nothing in this direction reaches the proxy over it"}},
		{name: "every user", args: "--skip-outbound-uids 0-1000,1001-4294967294",
			want: []string{"skip-outbound-uids (flag --skip-outbound-uids) covers every user: nothing in this direction reaches the proxy"}},
		{name: "every user but root", args: "--skip-outbound-uids 1-4294967294"},
		{name: "remarks from reading come first", args: "--proxy-uid 0 --skip-subnets 10.0.0.1/8",
			want: []string{"flag --skip-subnets: 10.0.0.1/8 has host bits set: taken as 10.0.0.0/8",
				"proxy-uid (flag --proxy-uid) is 0: every outbound connection of root bypasses the proxy"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := layers{args: strings.Fields(tc.args)}.load(t)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // asking again does not add to them
				if got, err := c.Validate(); err != nil || !slices.Equal(got, tc.want) {
					t.Errorf("%v, warnings %q\n want %q", err, got, tc.want)
				}
			}
		})
	}
}

func TestExemptGID(t *testing.T) {
	t.Parallel()
	for gid, want := range map[ID]ID{NoID: NoID, 0: NoID, 1: 1, MaxID: MaxID} {
		if got := (Config{ProxyGID: gid}).ExemptGID(); got != want {
			t.Errorf("gid %s exempts %s, want %s", gid, got, want)
		}
	}
}
