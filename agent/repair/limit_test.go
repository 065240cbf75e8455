package repair

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	var l Limiter
	start := time.Unix(1000, 0)
	var allowed []string
	for second := range 700 {
		if l.Allow(start.Add(time.Duration(second) * time.Second)) {
			allowed = append(allowed, fmt.Sprint(second))
		}
	}
	if got, want := strings.Join(allowed, " "), "0 1 20 21 40 41 60 61 80 81 600 601 620 621 640 641 660 661 680 681"; got != want {
		t.Errorf("allowed at %s, want %s", got, want)
	}
}
