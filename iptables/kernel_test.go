package iptables

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

func TestApplyFreshUnchangedChanged(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, everything(), 2)
		settled(t, b, everything(), 0)
		settled(t, b, standard(), 2)
		p := standard()
		p.Inbound[0].Match.DstPorts = ports("80")
		settled(t, b, p, 2)
		settled(t, backend(t, mode), p, 0)
	})
}

func TestApplyThousandsOfPorts(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b, n := backend(t, mode), manyPorts(mode)
		settled(t, b, large(n), 2)
		settled(t, b, large(n), 0)
		settled(t, b, large(n-1), 2)
	})
}

// manyPorts is as many as the design promises, where the kernel takes a batch
// of that size: in a user namespace it bounds iptables-nft's buffer.
func manyPorts(mode string) int {
	if mode == ModeNFT && !allMapped() {
		return 1000
	}
	return 5000
}

func TestUnchangedByAnotherVersionsStamp(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		if !strings.Contains(saved(t, mode, "ip"), `shunt/redirect-inbound v1 plan 0123456789ab"`) {
			t.Error("no stamp in the kernel")
		}
		want := apply.Desired{Plan: mapped(standard()), Stamp: apply.Stamp{Version: "v2", Plan: "ba9876543210"}}
		if n, err := b.Apply(t.Context(), read(t, b), want); n != 0 || err != nil {
			t.Errorf("%d commits, %v", n, err)
		}
	})
}

func TestDriftIsSeenAndRepaired(t *testing.T) {
	t.Parallel()
	const jump = `-m comment --comment "shunt/inbound" -j PROXY_INIT_REDIRECT`
	tests := []struct{ name, script string }{
		{"rule deleted", `iptables-$v -t nat -D PROXY_INIT_OUTPUT 1`},
		{"rule inserted", `iptables-$v -t nat -I PROXY_INIT_OUTPUT 2 -p tcp --dport 99 -j RETURN`},
		{"rule appended", `iptables-$v -t nat -A PROXY_INIT_REDIRECT -j RETURN`},
		{"rule edited", `iptables-$v -t nat -R PROXY_INIT_OUTPUT 2 -o eth0 -m comment --comment shunt/loopback -j RETURN`},
		{"rule negated", `iptables-$v -t nat -R PROXY_INIT_OUTPUT 1 -m owner ! --uid-owner $u -m comment --comment shunt/proxy-uid -j RETURN`},
		{"rule renamed", `iptables-$v -t nat -R PROXY_INIT_OUTPUT 1 -m owner --uid-owner $u -m comment --comment mine -j RETURN`},
		{"redirect to another port", `iptables-$v -t nat -R PROXY_INIT_REDIRECT 2 -p tcp -m comment --comment shunt/redirect-inbound -j REDIRECT --to-ports 1`},
		{"rules reordered", `iptables-$v -t nat -D PROXY_INIT_OUTPUT 2; iptables-$v -t nat -I PROXY_INIT_OUTPUT 1 -o lo -m comment --comment shunt/loopback -j RETURN`},
		{"chain emptied", `iptables-$v -t nat -F PROXY_INIT_OUTPUT`},
		{"chain missing", `iptables-$v -t nat -F PROXY_INIT_OUTPUT; iptables-$v -t nat -F OUTPUT; iptables-$v -t nat -X PROXY_INIT_OUTPUT`},
		{"jump missing", `iptables-$v -t nat -D PREROUTING ` + jump},
		{"jump twice", `iptables-$v -t nat -A PREROUTING ` + jump},
		{"jump three times", `iptables-$v -t nat -A PREROUTING ` + jump + `; iptables-$v -t nat -I PREROUTING ` + jump},
		{"jump confined", `iptables-$v -t nat -D PREROUTING ` + jump + `; iptables-$v -t nat -A PREROUTING -i eth0 ` + jump},
		{"jump confined and right", `iptables-$v -t nat -I PREROUTING -p tcp --dport 80 ` + jump},
		{"jump made a goto", `iptables-$v -t nat -D PREROUTING ` + jump + `; iptables-$v -t nat -A PREROUTING -g PROXY_INIT_REDIRECT`},
		{"jump to the wrong chain", `iptables-$v -t nat -A OUTPUT -j PROXY_INIT_REDIRECT`},
		{"table flushed", `iptables-$v -t nat -F; iptables-$v -t nat -X`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			overVariants(t, func(t *testing.T, mode string) {
				b := backend(t, mode)
				settled(t, b, standard(), 2)
				sh(t, mode, test.script)
				if read(t, b).State().Equal(b.Expand(mapped(standard()))) {
					t.Fatal("the drift is not seen")
				}
				settled(t, b, standard(), 1)
			})
		})
	}
}

func TestJumpIsLeftWhereItIs(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		sh(t, mode, `
			iptables-$v -t nat -I PREROUTING -p udp -j ACCEPT -c 3 300
			iptables-$v -t nat -A PREROUTING -p udp -j RETURN -c 4 400`)
		before := saved(t, mode, "ip")
		settled(t, b, standard(), 0)
		settled(t, b, everything(), 2)
		after := saved(t, mode, "ip")
		if a, b := chainOf(before, "PREROUTING"), chainOf(after, "PREROUTING"); a != b {
			t.Errorf("PREROUTING was:\n%s\nand is:\n%s", a, b)
		}
	})
}

func TestIPv6SwitchedOff(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		p := mapped(standard())
		p.IPv6 = false
		if read(t, b).State().Equal(b.Expand(p)) {
			t.Error("IPv6 rules that should not be there are not seen")
		}
		settled(t, b, p, 1)
		settled(t, b, p, 0)
		if got := saved(t, mode, "ip6"); strings.Contains(got, "PROXY_INIT") {
			t.Errorf("left in IPv6:\n%s", got)
		}
		settled(t, b, standard(), 1)
	})
}

func TestIPv6OffTouchesNothingOfIPv6(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		p := standard()
		p.IPv6 = false
		settled(t, backend(t, mode), p, 1)
		if mode == ModeLegacy {
			if exists, err := natExists(plan.IPv6); err != nil || exists {
				t.Errorf("IPv6 table exists: %v, %v", exists, err)
			}
		}
	})
}

func TestReadMakesNoLegacyTable(t *testing.T) {
	t.Parallel()
	isolate(t)
	b := backend(t, ModeLegacy)
	live := read(t, b)
	if !live.State().Empty() {
		t.Fatalf("read %v", live.State())
	}
	if n, err := b.Clear(t.Context(), live); n != 0 || err != nil {
		t.Errorf("clear: %d commits, %v", n, err)
	}
	exist := func() bool {
		v4, err4 := natExists(plan.IPv4)
		v6, err6 := natExists(plan.IPv6)
		if err := errors.Join(err4, err6); err != nil {
			t.Fatal(err)
		}
		return v4 || v6
	}
	if exist() {
		t.Error("a table exists now")
	}
	settled(t, b, standard(), 2)
	if !exist() {
		t.Error("no table exists after an apply")
	}
}

// Where nf_tables is known to hold no nat table, no command has to say so.
func TestReadStartsNoCommandForAnAbsentTable(t *testing.T) {
	t.Parallel()
	started := 0
	has := map[plan.Family]bool{plan.IPv6: true}
	isolate(t)
	b := with(t, Options{
		Mode:     ModeNFT,
		Children: func(*exec.Cmd) { started++ },
		HasNAT:   func(fam plan.Family) (bool, error) { return has[fam], nil },
	})
	if s := read(t, b).State(); !s.Empty() || started != 1 {
		t.Errorf("%d commands, %+v; want one, for IPv6", started, s)
	}
}

func TestClear(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		clearAll(t, b, 0)
		settled(t, b, standard(), 2)
		clearAll(t, b, 2)
		clearAll(t, b, 0)
		sh(t, mode, `iptables-$v -t nat -N PROXY_INIT_OUTPUT`) // orphaned
		clearAll(t, b, 1)
		sh(t, mode, `iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -o lo -j PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -g PROXY_INIT_OUTPUT`)
		clearAll(t, b, 1)
	})
}

func TestRenderedTextLoadsAndGivesThePlan(t *testing.T) {
	t.Parallel()
	for _, p := range []plan.Plan{standard(), everything()} {
		for _, ipv6 := range []bool{true, false} {
			overVariants(t, func(t *testing.T, mode string) {
				p := mapped(p)
				p.IPv6 = ipv6
				b := backend(t, mode)
				text := Render(mode, apply.Desired{Plan: p, Stamp: testStamp})
				sh(t, mode, "iptables-$v-restore --noflush <<'END'\n"+text+"END\n")
				if ipv6 {
					sh(t, mode, "ip6tables-$v-restore --noflush <<'END'\n"+text+"END\n")
				}
				byTool := saved(t, mode, "ip")
				settled(t, b, p, 0)
				clearAll(t, b, len(b.Expand(p).Sections)/4)
				settled(t, b, p, len(b.Expand(p).Sections)/4)
				if byUs := saved(t, mode, "ip"); byUs != byTool {
					t.Errorf("loaded:\n%s\napplied:\n%s", byTool, byUs)
				}
			})
		}
	}
}

func TestCountersAreRead(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		sh(t, mode, `iptables-$v -t nat -R PROXY_INIT_OUTPUT 2 -c 7 420 -o lo -m comment --comment shunt/loopback -j RETURN`)
		for _, r := range read(t, b).State().Sections[3].Rules {
			want := apply.Counter{}
			if r.Name == "loopback" {
				want = apply.Counter{Packets: 7, Bytes: 420}
			}
			if r.Counter == nil || *r.Counter != want {
				t.Errorf("%s: counter %v, want %v", r.Name, r.Counter, want)
			}
		}
		settled(t, b, standard(), 0)
	})
}

// clearAll clears as a caller does, and checks that nothing is left.
func clearAll(t *testing.T, b *Backend, commits int) {
	t.Helper()
	found, err := b.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if found.State().Empty() != read(t, b).State().Empty() {
		t.Errorf("found:\n%s\nread:\n%s", textOf(b, found.State()), textOf(b, read(t, b).State()))
	}
	if n, err := b.Clear(t.Context(), found); n != commits || err != nil {
		t.Errorf("clear: %d commits, want %d: %v", n, commits, err)
	}
	if state := read(t, b).State(); !state.Empty() {
		t.Errorf("after clear:\n%s", textOf(b, state))
	}
}

// chainOf returns the lines of one chain.
func chainOf(text, chain string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, " -A "+chain+" ") {
			b.WriteString(line)
		}
	}
	return b.String()
}
