package cni

import (
	"encoding/json"
	"fmt"
)

// passThrough returns the result of the plugin before this one, byte for
// byte. Only a cniVersion is added where there is none: before version 1.0.0
// a runtime may leave it out, and what it reads back needs it.
func passThrough(prev json.RawMessage, version string) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(prev, &members); err != nil {
		return nil, fmt.Errorf("prevResult is %s: want an object, the result of the plugin before this one", shown(prev))
	}
	if _, ok := members["cniVersion"]; ok {
		return prev, nil
	}
	quoted, err := json.Marshal(version)
	if err != nil {
		return nil, fmt.Errorf("cniVersion: %w", err)
	}
	out := append([]byte(`{"cniVersion":`), quoted...)
	if len(members) > 0 {
		out = append(out, ',')
	}
	return append(out, prev[1:]...), nil
}
