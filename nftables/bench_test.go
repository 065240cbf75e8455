package nftables

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/plan"
)

// BenchmarkRun measures what a run does with the backend (read, apply, read
// again) with long lists of ports in both directions, in processor time, which
// is nearly all the kernel's.
func BenchmarkRun(b *testing.B) {
	for _, ports := range []int{2, 1000, 5000} {
		for _, kind := range []string{"fresh", "changed", "unchanged"} {
			b.Run(fmt.Sprintf("%s/%d", kind, ports), func(b *testing.B) {
				runtime.LockOSThread() // never unlocked: the thread ends with its namespace
				before, after := long(ports, 0), long(ports, 0)
				if kind == "changed" {
					after = long(ports, 1)
				}
				var used time.Duration
				for b.Loop() {
					if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
						netnstest.Skip(b, "needs root: %v", err)
					}
					if kind != "fresh" {
						run(b, before)
					}
					start := cpu(b)
					run(b, after)
					used += cpu(b) - start
				}
				b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	}
}

func long(ports int, seed uint64) plan.Plan {
	p := standard()
	p.Inbound[0] = manyPorts("skip-inbound-ports", ports, seed)
	p.Outbound[4] = manyPorts("skip-outbound-ports", ports, seed+10)
	return p
}

// run opens a backend, reads, applies if that is needed, and verifies.
func run(tb testing.TB, p plan.Plan) {
	b, err := Open(Options{Settle: netns.Settle})
	if err != nil {
		tb.Fatal(err)
	}
	defer b.Close()
	ctx := context.Background()
	have, err := b.Read(ctx)
	if err == nil && have.State().Equal(b.Expand(p)) {
		return
	}
	if err == nil {
		_, err = b.Apply(ctx, have, desired(p))
	}
	if err == nil {
		have, err = b.Read(ctx)
	}
	if err != nil || !have.State().Equal(b.Expand(p)) {
		tb.Fatalf("the rules differ after an apply: %v", err)
	}
}

// cpu returns the processor time that the process used.
func cpu(tb testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
