package netns

import (
	"testing"
	"time"
)

// That rules are not deleted too early is for conformance to show
// (TestGapIPv6Switched); here, that it does not wait for ever.
func TestSettleReturnsSoon(t *testing.T) {
	t.Parallel()
	start := time.Now()
	Settle()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v: a grace period is milliseconds", took)
	}
	t.Logf("took %v", time.Since(start))
}
