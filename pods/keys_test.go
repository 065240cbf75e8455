package pods

import (
	"slices"
	"strings"
	"testing"

	"shunt/config"
)

// A key stands in one table only, and says what its value is.
func TestKeysAreEachInOneTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		seen[s.Annotation] = true
	}
	for _, k := range Keys() {
		if seen[k.Name] {
			t.Errorf("%s is listed twice", k.Name)
		}
		seen[k.Name] = true
		if !strings.Contains(k.Name, ".io/") || (k.Format == OneOf) != (len(k.Choices) > 0) || slices.Contains(k.Choices, "|") {
			t.Errorf("%+v", k)
		}
	}
}
