package iptables

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// BenchmarkRun measures runs (read, apply, read again) against the bare
// restores of the same rules in the same state, with 5,000 skip ports in each
// direction and both families, in processor time with that of the children.
func BenchmarkRun(b *testing.B) {
	for _, mode := range []string{ModeLegacy, ModeNFT} {
		for _, kind := range []string{"fresh", "changed", "unchanged"} {
			b.Run(mode+"/"+kind, func(b *testing.B) {
				isolate(b)
				be := backend(b, mode)
				before, after := large(5000), large(5000)
				if kind == "changed" {
					list := &after.Inbound[0].Match.DstPorts
					*list = (*list)[1:]
				}
				prepare := func() {
					if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
						b.Fatal(err)
					}
					if kind != "fresh" {
						run(b, be, before)
					}
				}
				var ours, bare time.Duration
				for b.Loop() {
					prepare()
					bare += cpu(b, func() { restores(b, be, after) })
					prepare()
					ours += cpu(b, func() { run(b, be, after) })
				}
				b.ReportMetric(float64(ours)/float64(bare), "cpu/bare")
				b.ReportMetric(ours.Seconds()*1000/float64(b.N), "cpu-ms/op")
			})
		}
	}
}

// run does what shunt init does with a backend.
func run(b *testing.B, be *Backend, p plan.Plan) {
	live := read(b, be)
	if live.State().Equal(be.Expand(p)) {
		return
	}
	if _, err := be.Apply(b.Context(), live, apply.Desired{Plan: p}); err != nil {
		b.Fatal(err)
	}
	if !read(b, be).State().Equal(be.Expand(p)) {
		b.Fatal("the rules differ after an apply")
	}
}

// restores loads a plan with nothing but the commands.
func restores(b *testing.B, be *Backend, p plan.Plan) {
	text := Render(be.opt.Mode, apply.Desired{Plan: p})
	for _, fam := range families() {
		cmd := exec.Command(commandName(be.opt.Mode, fam, "restore"), "--noflush")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
}

// cpu returns the processor time that a function takes, with its children's.
func cpu(b *testing.B, f func()) time.Duration {
	used := func() (total time.Duration) {
		for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
			var u unix.Rusage
			if err := unix.Getrusage(who, &u); err != nil {
				b.Fatal(err)
			}
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		return total
	}
	start := used()
	f()
	return used() - start
}

func BenchmarkParseSave(b *testing.B) {
	want := planned(apply.Desired{Plan: large(5000)})[0]
	text, err := script(&table{}, want)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if got, err := parseSave(text, plan.IPv4); err != nil || !got.equal(want, plan.IPv4) {
			b.Fatal("differs", err)
		}
	}
}
