package iptables

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/plan"
)

// subnets is the standard plan with so many outbound subnets that the outbound
// chain of IPv4 has n rules.
func subnets(n int) plan.Plan {
	p := standard()
	p.IPv6 = false
	list := make([]netip.Prefix, n-len(p.Outbound))
	for i := range list {
		list[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
	}
	p.Outbound = append([]plan.Rule{{Name: "skip-outbound-subnets", Match: plan.Match{Dst: list}}}, p.Outbound...)
	return p
}

func TestPlanOfTooManyRulesIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		b := backend(t, mode)
		n, err := try(t, b, subnets(MaxRules+1))
		if n != 0 || !errors.Is(err, ErrTooManyRules) || !strings.Contains(err.Error(), "chain PROXY_INIT_OUTPUT: 5001 rules") {
			t.Errorf("%d commits, %v", n, err)
		}
		if got := saved(t, mode, "ip"); strings.Contains(got, "PROXY_INIT") {
			t.Errorf("left:\n%s", got)
		}
		if mode == ModeLegacy || allMapped() { // the buffer for nft is small in a user namespace
			settled(t, b, subnets(MaxRules), 1)
		}
		over := b.Expand(subnets(MaxRules + 1))
		if read(t, b).State().Equal(over) || over.Equal(over) {
			t.Error("a plan that cannot be is equal to something")
		}
	})
}

func TestChainTooLargeToCompareIsDriftAndIsReplaced(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		flood := func() {
			sh(t, mode, `{ echo '*nat'; echo ':PROXY_INIT_OUTPUT - [0:0]'
				seq -f '-A PROXY_INIT_OUTPUT -p tcp --dport %.0f -j RETURN' 10001 15001; echo COMMIT; } | iptables-$v-restore --noflush`)
		}
		if mode == ModeNFT && !allMapped() {
			return // the buffer for nft is small in a user namespace
		}
		b := backend(t, mode)
		settled(t, b, standard(), 2)
		flood()
		state := read(t, b).State()
		if got := state.Sections[3]; len(got.Rules) > 0 || len(got.Stray) != 1 || !strings.Contains(got.Stray[0], "more than 5000 rules") {
			t.Errorf("%d rules, %q", len(got.Rules), got.Stray)
		}
		if state.Equal(state) {
			t.Error("it equals something")
		}
		settled(t, b, standard(), 1)
		flood()
		clearAll(t, b, 2)
	})
}

func TestOldRulesThatWereTooManyAreNotPutBack(t *testing.T) {
	t.Parallel()
	live := tables{{}, {}}
	live[0].chains[1] = chain{present: true, many: MaxRules + 1}
	steps, err := decide(live, planned(apply.Desired{Plan: standard()}))
	if err != nil || len(steps) != 2 || !errors.Is(steps[0].noUndo, ErrTooManyRules) || steps[0].undo != "" {
		t.Errorf("%+v, %v", steps, err)
	}
}

func TestTooManyJumpsToBeDeletedAreAnError(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("*nat\n:PROXY_INIT_OUTPUT - [0:0]\n")
	for range MaxRules + 1 {
		text.WriteString("[0:0] -A OUTPUT -j PROXY_INIT_OUTPUT\n")
	}
	text.WriteString("COMMIT\n")
	live, err := parseSave(text.String(), plan.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(live.jumps[1]); n != MaxRules {
		t.Errorf("%d jumps were kept", n)
	}
	if _, err := decide(tables{live, {}}, tables{{}, {}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("clear: %v", err)
	}
	if s := live.sections(plan.IPv4)[0]; len(s.Stray) != 1 || s.Hook != apply.Output {
		t.Errorf("%v %q", s.Place, s.Stray)
	}
}

func TestForeignRulesAreReadWithinABound(t *testing.T) {
	t.Parallel()
	r := newSaveReader(plan.IPv4, true)
	lines := []byte(strings.Repeat("[0:0] -A MINE -p tcp -j PROXY_INIT_OUTPUT\n", 1000))
	for _, part := range [][]byte{[]byte("*nat\n"), lines, lines, []byte("COMMIT\n")} {
		if _, err := r.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if live, err := r.end(); err != nil || len(live.foreign[1]) != foreignLimit || cap(r.rest) > 2*len(lines) {
		t.Errorf("%d kept, %v", len(live.foreign[1]), err)
	}
}

// However the output is cut into pieces, it reads the same.
func TestSaveIsReadInPieces(t *testing.T) {
	t.Parallel()
	const text = "*nat\n:PROXY_INIT_OUTPUT - [0:0]\n[1:2] -A PROXY_INIT_OUTPUT -m comment --comment \"a\n\\\"b\" -j RETURN\n# x\nCOMMIT"
	whole, err := parseSave(text, plan.IPv4)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1; size < len(text); size++ {
		r := newSaveReader(plan.IPv4, true)
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			if _, err := r.Write([]byte(rest[:min(size, len(rest))])); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := r.end(); err != nil || fmt.Sprint(*got.chains[1].rules[0].Counter, got.chains[1].specs) != fmt.Sprint(*whole.chains[1].rules[0].Counter, whole.chains[1].specs) {
			t.Errorf("in pieces of %d: %v, %v", size, got, err)
		}
	}
}

// A pod with hostUsers: false has a network namespace that belongs to its user
// namespace, whereas shunt runs in that of the node.
func TestNamespaceOfAnotherUserNamespaceIsNamed(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		if foreignUserNamespace() {
			t.Fatal("our own namespace is said to belong to another user namespace")
		}
		pod := exec.Command("sleep", "600")
		pod.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		}
		if err := pod.Start(); err != nil {
			skip(t, "needs to make a user namespace: "+err.Error())
		}
		defer func() {
			_ = pod.Process.Kill()
			_ = pod.Wait()
		}()
		ns, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", pod.Process.Pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(ns)
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		if !foreignUserNamespace() {
			t.Error("it is not seen")
		}
		n, err := try(t, backend(t, mode), standard())
		if n != 0 || !errors.Is(err, ErrUserNamespace) {
			t.Errorf("%d commits, %v", n, err)
		}
		p := standard() // without rules about the socket's owner it works
		p.Outbound = p.Outbound[1:]
		settled(t, backend(t, mode), p, 2)
	})
}
