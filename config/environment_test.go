package config

import (
	"slices"
	"testing"
)

func TestMisspeltVariables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{"what is known, and what is nobody's", []string{"SHUNT_SKIP_PORTS=80", "SHUNT_FROBNICATE=1", "HOME=/", "SHUNT_", "SKIP_PORT=1", ""}, nil},
		{"an end is missing", []string{"SHUNT_SKIP_OUTBOUND_PORT=3306"},
			[]string{"environment SHUNT_SKIP_OUTBOUND_PORT is not known, and ignored: did you mean SHUNT_SKIP_OUTBOUND_PORTS?"}},
		{"a letter is wrong", []string{"SHUNT_BACKENT=iptables"}, []string{"environment SHUNT_BACKENT is not known, and ignored: did you mean SHUNT_BACKEND?"}},
		{"two letters are", []string{"SHUNT_BACKANT=iptables"}, nil},
		{"what Kubernetes sets for a Service named shunt", []string{"SHUNT_SERVICE_HOST=10.0.0.1", "SHUNT_SERVICE_PORT=80", "SHUNT_PORT=tcp://10.0.0.1:80",
			"SHUNT_PORT_80_TCP=tcp://10.0.0.1:80", "SHUNT_PORT_80_TCP_ADDR=10.0.0.1"}, nil},
		{"for one named shunt-skip", []string{"SHUNT_SKIP_SERVICE_HOST=10.0.0.1", "SHUNT_SKIP_PORT=tcp://10.0.0.1:80"}, nil},
		{"for one whose port is named so", []string{"SHUNT_ADMI_SERVICE_HOST=10.0.0.1", "SHUNT_ADMI_PORT=9990"}, nil},
		{"for one, of which only a part was passed on", []string{"SHUNT_SKIP_PORT=tcp://10.0.0.1:80"}, nil},
	} {
		if got := MisspeltVariables(test.environ); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
