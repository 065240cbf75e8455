package iptables

import (
	"runtime"
	"testing"
)

func TestOutputOfAChildIsReadWithinABound(t *testing.T) {
	isolate(t)
	f := fakes{dir: t.TempDir()}
	b := withFakes(t, ModeNFT, f)
	allocated := func(what string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := b.Read(t.Context())
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 200<<20 {
			t.Errorf("%s: %d MiB were allocated", what, grown>>20)
		}
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	f.write(t, "iptables-nft-save", "head -c 300000000 /dev/zero >&2; exit 1")
	allocated("complaints")
	f.write(t, "iptables-nft-save", "tr '\\0' y </dev/zero")
	allocated("a rule without an end")
}
