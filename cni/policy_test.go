package cni

import (
	"slices"
	"strings"
	"testing"

	"shunt/pods"
)

// What the plugin decides, an agent that has the entry and the facts decides as
// well, with the settings that the plugin takes.
func TestPolicyOfAnEntry(t *testing.T) {
	t.Parallel()
	const entry = `{"type":"linkerd-cni","capabilities":{"io.kubernetes.cri.pod-annotations":true},
		"linkerd":{"inbound-ports-to-ignore":["4190","4191"],"iptables-mode":"nft"},"exclude-namespaces":["kube-system","linkerd-cni"]}`
	proxy := func(pairs ...string) pods.Facts {
		f := pods.Facts{Annotations: map[string]string{}, Labels: map[string]string{}, Containers: []string{"app", pods.ProxyContainer}}
		for i := 0; i < len(pairs); i += 2 {
			f.Annotations[pairs[i]] = pairs[i+1]
		}
		return f
	}
	for _, tc := range []struct {
		name, entry, namespace string
		facts                  pods.Facts
		want                   Decision
		skip                   string // outbound
		warns, err             string
	}{
		{name: "meshed", facts: proxy("config.linkerd.io/skip-outbound-ports", "3306"), want: Meshed, skip: "3306"},
		{name: "no proxy", facts: pods.Facts{Containers: []string{"app"}}, want: NotMeshed},
		{name: "an init container writes its rules", facts: pods.Facts{Containers: []string{pods.ProxyContainer}, InitContainers: []string{pods.InitContainer}}, want: NotMeshed},
		{name: "excluded", namespace: "linkerd-cni", facts: proxy(), want: Excluded},
		{name: "the control plane", namespace: "mesh", facts: pods.Facts{Containers: []string{pods.ProxyContainer}, Labels: map[string]string{pods.ControlPlaneComponent: "identity"}}, want: Meshed, skip: "443,6443"},
		{name: "a bad annotation", facts: proxy("config.linkerd.io/skip-outbound-ports", "mysql"), want: Meshed, err: "correct the annotation in the template"},
		{name: "a setting that is wrong", entry: `{"linkerd":{"incoming-proxy-port":99999}}`, facts: proxy(), want: Meshed, err: hintConf},
		{name: "a key that nothing reads", entry: `{"linkerd":{"incoming-proxy-prot":1}}`, facts: proxy(), want: Meshed, warns: `did you mean "incoming-proxy-port"?`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.entry == "" {
				tc.entry = entry
			}
			p, err := ParsePolicy([]byte(tc.entry))
			if err != nil {
				t.Fatal(err)
			}
			if tc.namespace == "" {
				tc.namespace = "shop"
			}
			id := pods.ID{Namespace: tc.namespace, Name: "web"}
			if got := p.Decide(id, tc.facts); got != tc.want {
				t.Errorf("decision: %s, want %s", got, tc.want)
			}
			if tc.want != Meshed {
				return
			}
			cfg, warnings, err := p.Config(id, tc.facts)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil || cfg.SkipOutboundPorts.String() != tc.skip {
				t.Errorf("skips %s outbound, want %s (%v)", cfg.SkipOutboundPorts, tc.skip, err)
			}
			if tc.warns != "" && !slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, tc.warns) }) {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestPolicyOfAnEntryThatIsWrong(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		`[]`:                         "not a JSON object",
		`{"linkerd":3}`:              "linkerd is 3: want an object",
		`{"exclude-namespaces":3}`:   "exclude-namespaces is 3: want a list of namespaces",
		`{"linkerd":{"simulate":7}}`: "linkerd.simulate is 7: want true or false",
	} {
		if _, err := ParsePolicy([]byte(entry)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", entry, err, want)
		}
	}
	if p, err := ParsePolicy([]byte(`{"linkerd":{"simulate":true}}`)); err != nil || !p.Simulates() {
		t.Errorf("simulate: %v, %v", p, err)
	}
}
