package lint

import (
	"strings"
	"testing"

	"shunt/config"
)

func TestSkippedAndOpaquePorts(t *testing.T) {
	t.Parallel()
	const c = "config.linkerd.io/"
	for _, tt := range []struct {
		name, annotations, want string
	}{
		{"a skipped port that is exposed", c + `skip-inbound-ports: "8080"`, ""},
		{"a range with an exposed port in it", c + `skip-inbound-ports: "8000-8100"`, ""},
		{"a skipped port that nobody exposes", c + `skip-inbound-ports: "8081"`, skipUnexposedPort},
		{"both", c + `skip-inbound-ports: "8080,8081,9000-9010"`, skipUnexposedPort + " " + skipUnexposedPort},
		{"both ways, and nobody exposes it", `linkerd.io/skip-ports: "5432"`, redundantSkip + " " + skipPortsOfShunt},
		{"both ways", `linkerd.io/skip-ports: "8080"`, skipPortsOfShunt},
		{"outbound, nobody has to expose it", c + `skip-outbound-ports: "3306"`, ""},
		{"443 outbound", c + `skip-outbound-ports: "443"`, ""},
		{"every port", c + `skip-inbound-ports: "1-65535"`, skipEverything},
		{"every port, counted from 0, in two ranges", c + `skip-outbound-ports: "0-30000,30001-65535"`, skipEverything},
		{"every port both ways", `linkerd.io/skip-ports: "0-65535"`, skipEverything + " " + skipPortsOfShunt},
		{"the proxy's inbound port", c + `skip-outbound-ports: "4143"`, skipProxyPort},
		{"the proxy's outbound port in a range", c + `skip-outbound-ports: "4000-4142"`, skipProxyPort},
		{"the proxy's admin port outbound", c + `skip-outbound-ports: "4191"`, skipProxyPort},
		{"the proxy's control and admin ports inbound", c + `skip-inbound-ports: "8080,4190,4191"`, redundantSkip},
		{"a range over all of them", c + `skip-inbound-ports: "4000-9000"`, skipProxyPort},
		{"where the proxy's ports are others", c + "inbound-port: \"5143\"\n" + c + "outbound-port: \"5140\"\n" + c + `skip-outbound-ports: "4140,4143"`, ""},
		{"and those", c + "inbound-port: \"5143\"\n" + c + `skip-outbound-ports: "5143"`, skipProxyPort},
		{"opaque", c + `opaque-ports: "8080"`, ""},
		{"opaque and skipped", c + "opaque-ports: \"8080\"\n" + c + `skip-inbound-ports: "8080"`, opaqueAndSkipped},
		{"opaque by its name and skipped", c + "opaque-ports: http\n" + c + `skip-inbound-ports: "8080"`, opaqueAndSkipped},
		{"opaque and skipped by default", c + `opaque-ports: "8080,4567"`, opaqueAndSkipped},
		{"opaque and skipped outbound, which is another port", c + "opaque-ports: \"8080\"\n" + c + `skip-outbound-ports: "8080"`, ""},
		{"opaque, skipped outbound, and not served", c + "opaque-ports: \"3306\"\n" + c + `skip-outbound-ports: "3306"`, opaqueAndSkipped},
		{"opaque by default, and skipped outbound", c + `skip-outbound-ports: "3306"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ids(check(t, "2.20", deployment(tt.annotations, ""))); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			// Without a proxy, none of it matters.
			if got := ids(check(t, "2.20", deployment(tt.annotations, "      hostNetwork: true\n"))); got != hostNetwork {
				t.Errorf("on the host's network: found %q", got)
			}
		})
	}
}

func TestANamespacesListsAreCheckedOnce(t *testing.T) {
	t.Parallel()
	got := check(t, "2.20", `kind: Namespace
metadata:
  name: shop
  annotations:
    config.linkerd.io/opaque-ports: "8080"
    config.linkerd.io/skip-inbound-ports: "8080,7777"
    config.linkerd.io/skip-outbound-ports: "1-65535"
---
`+deployment("", "")+"---\n"+strings.Replace(deployment("", ""), "name: web", "name: web2", 1))
	if ids(got) != opaqueAndSkipped+" "+skipEverything {
		t.Fatalf("found %q", ids(got))
	}
	for i, line := range []int{5, 7} {
		if got[i].Object != "Namespace shop" || got[i].Line != line {
			t.Errorf("%+v", got[i])
		}
	}
}

func TestServersThatSpeakFirst(t *testing.T) {
	t.Parallel()
	ports := func(annotations, numbers string) string {
		var list []string
		for n := range strings.SplitSeq(numbers, ",") {
			list = append(list, "{containerPort: "+n+"}")
		}
		return strings.Replace(deployment(annotations, ""), "{name: http, containerPort: 8080}", strings.Join(list, ", "), 1)
	}
	const all = "25,587,3306,4444,4567,4568,5432,6379,9300,11211"
	for _, tt := range []struct {
		name, version, text string
		want                string // the ports, in the order of speakers
	}{
		{"all of them, opaque or skipped by default", "2.20", ports("", all), ""},
		{"since 2.11", "2.11", ports("", all), ""},
		{"in 2.10", "2.10", ports("", all), "4444 6379 9300"},
		{"with a list of one's own", "2.20", ports(`config.linkerd.io/opaque-ports: "3306"`, "3306,5432"), "5432"},
		{"skipped instead", "2.20", ports("config.linkerd.io/opaque-ports: \"3306\"\nconfig.linkerd.io/skip-inbound-ports: \"5432\"", "3306,5432"), ""},
		{"Galera, when something else is skipped", "2.20", ports(`config.linkerd.io/skip-inbound-ports: "8080"`, "4567,8080"), "4567"},
		{"UDP", "2.20", strings.Replace(ports(`config.linkerd.io/opaque-ports: ""`, "5432"), "containerPort: 5432", "containerPort: 5432, protocol: UDP", 1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range check(t, tt.version, tt.text) {
				if f.Rule != serverSpeaksFirst {
					t.Fatalf("%+v", f)
				}
				got = append(got, strings.Fields(f.Message)[1])
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
	// The advice is Linkerd's decision, and names all that must be listed.
	f := check(t, "2.10", ports("", all))[0]
	const want = `nothing if connections begin with TLS; for clients in the cluster config.linkerd.io/opaque-ports: "25,587,3306,4444,5432,6379,9300,11211" here and on the Service, which keeps mutual TLS and metrics; for a server outside the cluster config.linkerd.io/skip-outbound-ports on its clients`
	if f.Fix != want {
		t.Errorf("got  %s\nwant %s", f.Fix, want)
	}
}

func TestSets(t *testing.T) {
	t.Parallel()
	parse := func(text string) config.PortSet {
		s, err := config.ParsePorts(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct{ a, b, overlap, without string }{
		{"80", "", "", "80"},
		{"80", "80", "80", ""},
		{"80-90", "85", "85", "80-84,86-90"},
		{"80-90", "80-84,86-90", "80-84,86-90", "85"},
		{"80-90", "0-65535", "80-90", ""},
		{"0-65535", "0,65535", "0,65535", "1-65534"},
		{"1-10,20-30", "5-25", "5-10,20-25", "1-4,26-30"},
	} {
		a, b := parse(tt.a), parse(tt.b)
		if got := overlap(a, b).String(); got != tt.overlap {
			t.Errorf("%s and %s: %s, want %s", tt.a, tt.b, got, tt.overlap)
		}
		if got := without(a, b).String(); got != tt.without {
			t.Errorf("%s without %s: %s, want %s", tt.a, tt.b, got, tt.without)
		}
	}
}
