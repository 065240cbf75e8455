package iptables

import (
	"testing"
)

func TestApplyFreshThenUnchanged(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, everything(), 2)
		settled(t, b, everything(), 0)
		settled(t, b, standard(), 2)
		settled(t, b, large(5000), 2)
	})
}
