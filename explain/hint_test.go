package explain

import (
	"testing"

	"shunt/config"
)

// Linkerd's destination service knows the ports of one annotation, and of
// nothing else that skips ports.
func TestMeshedClientsKnowTheAnnotationsPortsOnly(t *testing.T) {
	t.Parallel()
	const key = "config.linkerd.io/skip-inbound-ports"
	for _, tt := range []struct {
		name string
		pod  map[string]string
		mode config.Mode
		port uint16
		want bool
	}{
		{"in the annotation", map[string]string{key: "3306"}, config.ModeInit, 3306, true},
		{"the proxy's own server", map[string]string{key: "3306"}, config.ModeInit, 4191, false},
		{"by shunt's annotation", map[string]string{"linkerd.io/skip-ports": "3306"}, config.ModeInit, 3306, false},
		{"by default", nil, config.ModeInit, 4567, false},
		{"by default or the annotation", map[string]string{key: "3306"}, config.ModeCNI, 4567, false},
	} {
		c, err := config.MergeAnnotations(config.Standard(), tt.pod, nil, tt.mode)
		if err != nil {
			t.Fatal(err)
		}
		if got := withheld(&c, tt.port); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
