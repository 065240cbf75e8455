package iptables

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// cpu returns the processor time of this process and its ended children.
func cpu(b *testing.B) time.Duration {
	var total time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return total
}

// BenchmarkRun measures whole runs (read, apply, read again) against the bare
// restores of the same rules, 5,000 skip ports in each direction, both
// families, in processor time with that of the children.
func BenchmarkRun(b *testing.B) {
	for _, mode := range []string{ModeLegacy, ModeNFT} {
		for _, kind := range []string{"fresh", "changed", "unchanged"} {
			b.Run(mode+"/"+kind, func(b *testing.B) {
				isolate(b)
				benchmarkRun(b, mode, kind)
			})
		}
	}
}

func benchmarkRun(b *testing.B, mode, kind string) {
	even, odd := large(5000), large(5000)
	odd.Inbound[0].Match.DstPorts = odd.Inbound[0].Match.DstPorts[1:]
	be := backend(b, mode)
	text := be.Render(even)
	ctx := context.Background()
	run := func(p plan.Plan) {
		if _, err := be.Read(ctx); err != nil {
			b.Fatal(err)
		}
		n, err := be.Apply(ctx, p)
		if err != nil {
			b.Fatal(err)
		}
		if n > 0 {
			if s, err := be.Read(ctx); err != nil || !s.Equal(be.Expand(p)) {
				b.Fatal("the rules differ after an apply", err)
			}
		}
	}
	var ours, bare time.Duration
	for i := 0; b.Loop(); i++ {
		if kind != "unchanged" || i == 0 {
			fresh(b, be)
		}
		start := cpu(b)
		for _, fam := range families() {
			cmd := exec.Command(be.command(fam, "restore"), "--noflush")
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		bare += cpu(b) - start
		p := even
		switch {
		case kind == "fresh":
			fresh(b, be)
		case kind == "changed":
			p = odd
		case i == 0:
			fresh(b, be)
			run(p)
		default:
			fresh(b, be)
			run(p)
		}
		start = cpu(b)
		run(p)
		ours += cpu(b) - start
	}
	b.ReportMetric(float64(ours)/float64(bare), "cpu/bare")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// fresh moves on to a new namespace.
func fresh(b *testing.B, be *Backend) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		b.Fatal(err)
	}
	be.live = nil
}
