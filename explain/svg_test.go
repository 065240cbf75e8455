package explain

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"shunt/config"
	"shunt/plan"
)

// drawn returns a drawing's text, and fails if it is not well-formed.
func drawn(t *testing.T, e *Explanation, width int) (all string, texts []string) {
	t.Helper()
	var b strings.Builder
	if err := e.WriteSVG(&b, width); err != nil {
		t.Fatal(err)
	}
	for d, inText := xml.NewDecoder(strings.NewReader(b.String())), false; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String(), texts
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
			inText = false
		}
	}
}

func TestDrawings(t *testing.T) {
	t.Parallel()
	out := func(to string) *Question {
		return &Question{Direction: plan.Outbound, UID: 1000, To: netip.MustParseAddr(to), Port: 3306}
	}
	for _, tt := range []struct {
		name string
		e    *Explanation
		want string // its text from top to bottom, " | " between the lines
	}{
		{"a bypass leaves the line", Plan(out("10.0.0.5"), configured(t, "skip-outbound-ports=3306")),
			"user 1000, group 0 | OUTBOUND RULES | 1 proxy-uid | socket owner's uid 2102 | no match | 2 loopback | leaves by lo | no match | " +
				"3 skip-outbound-ports | tcp, destination port 3306 | bypass | 4 redirect-outbound | tcp | not reached | " +
				"10.0.0.5:3306 | where it was going, without the proxy"},
		{"a redirect goes on with the proxy's own connection", Plan(&Question{Port: 80}, configured(t)),
			"an address on no list | INBOUND RULES | 1 skip-inbound-ports | tcp, destination port 4190-4191,4567-4568 | no match | 2 redirect-inbound | tcp | redirect to :4143 | " +
				"the proxy, port 4143 | knows from the socket where it was going | the proxy's own connection, user 2102 | 1 proxy-uid | socket owner's uid 2102 | bypass | " +
				"the pod's port 80 | by way of the proxy"},
		{"by its group", Plan(out("10.0.0.5"), configured(t, "proxy-uid=-1", "proxy-gid=7")),
			"user 1000, group 0 | OUTBOUND RULES | 1 proxy-gid | socket owner's gid 7 | no match | 2 loopback | leaves by lo | no match | " +
				"3 skip-outbound-ports | tcp, destination port 4567-4568 | no match | 4 redirect-outbound | tcp | redirect to :4140 | " +
				"the proxy, port 4140 | knows from the socket where it was going | the proxy's own connection, group 7 | 1 proxy-gid | socket owner's gid 7 | bypass | " +
				"10.0.0.5:3306 | by way of the proxy"},
		{"IPv6 that is not touched meets no rule", Plan(out("fd00::5"), configured(t)),
			"user 1000, group 0 | OUTBOUND RULES | 1 proxy-uid | socket owner's uid 2102 | not reached | 2 loopback | leaves by lo | not reached | " +
				"3 skip-outbound-ports | tcp, destination port 4567-4568 | not reached | 4 redirect-outbound | tcp | not reached | " +
				"[fd00::5]:3306 | IPv6 is not redirected: ipv6 is false"},
		{"a pod without rules", NotInjected(out("10.0.0.5"), "hostNetwork is true"),
			"user 1000, group 0 | 10.0.0.5:3306 | the pod has no rules, because it is not injected: hostNetwork is true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, width := range []int{0, 340, 640} {
				all, texts := drawn(t, tt.e, width)
				if got := strings.Join(texts, " | "); width == 640 && got != tt.want {
					t.Errorf("got\n%s\nwant\n%s", got, tt.want)
				}
				if !strings.Contains(all, "Lands on ") {
					t.Error("the drawing says nothing to those who cannot see it")
				}
			}
		})
	}
}

// Names come from manifests, which anybody may have written.
func TestADrawingEscapesWhatAManifestSays(t *testing.T) {
	t.Parallel()
	e := NotInjected(&Question{Port: 80}, `<script>alert("1")</script>&`)
	e.Workload = "Deployment </text><script>\x00\u202e"
	all, _ := drawn(t, e, 400)
	if strings.Contains(all, "<script") {
		t.Error(all)
	}
}

// The leg is drawn for what is decided: whatever the configuration, the proxy's
// own connection bypasses it.
func TestTheProxysOwnConnectionIsDecidedByThePlan(t *testing.T) {
	t.Parallel()
	c := configured(t, "ipv6=true")
	p := plan.Build(*c)
	for _, q := range []*Question{
		{Port: 80}, {Port: 80, From: netip.MustParseAddr("fd00::1")}, {Port: 80, To: netip.MustParseAddr("172.17.0.2")},
		{Direction: plan.Outbound, To: netip.MustParseAddr("fd00::5"), Port: 80},
	} {
		if leg := proxyLeg(q, c, &p); leg == nil || leg.rule.Name != "proxy-uid" || leg.rule.Verdict.Action != "bypass" {
			t.Errorf("%s: %+v", q, leg)
		}
	}
	if c.ProxyUID = config.NoID; proxyLeg(&Question{To: netip.MustParseAddr("10.0.0.1"), Port: 80}, c, &plan.Plan{}) != nil {
		t.Error("a rule decides where there is none")
	}
}
