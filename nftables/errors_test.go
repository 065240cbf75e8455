package nftables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"shunt/apply"
	"shunt/netns"
	"shunt/netns/netnstest"
	"shunt/plan"
)

// EINVAL means that there is no nf_tables in answer to the first question, and
// nowhere else: on a commit it is a bug of ours, and no reason to take another
// backend.
func TestOnlyAnOpenTakesEINVALForAKernelWithoutNfTables(t *testing.T) {
	t.Parallel()
	for _, e := range []unix.Errno{unix.EINVAL, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		if err := openError(fmt.Errorf("ask: %w", e)); !errors.Is(err, apply.ErrNotSupported) || !errors.Is(err, e) {
			t.Errorf("open: %v: not taken for a kernel without nf_tables", err)
		}
		if err := queryError("list the tables", e); errors.Is(err, apply.ErrNotSupported) {
			t.Errorf("a later question: %v", err)
		}
	}
	for _, e := range []unix.Errno{unix.EPERM, unix.ENOENT, unix.EOPNOTSUPP, unix.EMFILE} {
		if err := openError(e); errors.Is(err, apply.ErrNotSupported) {
			t.Errorf("open: %v: taken for a kernel without nf_tables", err)
		}
	}
}

func TestWhatARefusalMeans(t *testing.T) {
	t.Parallel()
	id := tableFor(bare())
	every := []op{
		addTable{id}, delTable{id}, addSet{id, "x", portKey}, delSet{id, "x"}, addElements{elements{table: id, set: "x", kind: portKey}},
		delElements{elements{table: id, set: "x", kind: portKey}}, addChain{id, inboundChain}, flushChain{id, inboundChain},
		delChain{id, "x"}, addRule{table: id, chain: inboundChain}, delRule{table: id, chain: "x"},
	}
	makes := func(o op) bool {
		switch o.(type) {
		case addTable, addChain, addRule:
			return true
		}
		return false
	}
	for _, o := range every {
		for _, e := range []unix.Errno{unix.ENOENT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
			err := error(&refusal{op: o, errno: e})
			if got := errors.Is(err, apply.ErrNotSupported); got != makes(o) {
				t.Errorf("%v: not supported is %v", err, got)
			}
		}
		for _, e := range []unix.Errno{unix.EINVAL, unix.EPROTONOSUPPORT, unix.ENOSYS, unix.EBUSY, unix.EEXIST, unix.ENOSPC, unix.ERESTART} {
			err := error(&refusal{op: o, errno: e})
			if errors.Is(err, apply.ErrNotSupported) || errors.Is(err, apply.ErrStale) || errors.Is(err, ErrOwned) {
				t.Errorf("%v is taken for something else", err)
			}
		}
		if err := error(&refusal{op: o, errno: unix.EPERM}); !errors.Is(err, ErrOwned) || strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("%v: not taken for a table that another program owns", err)
		}
	}
	if err := error(&refusal{errno: unix.ERESTART}); !errors.Is(err, apply.ErrStale) {
		t.Errorf("%v is not stale", err)
	}
	if err := error(&refusal{errno: unix.EPERM}); errors.Is(err, ErrOwned) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("%v does not name the capability", err)
	}
}

// A refusal names the operation, with the kernel's own note on what is to blame.
func TestARefusalQuotesTheOperation(t *testing.T) {
	t.Parallel()
	id := tableFor(bare())
	r := skipPorts("skip-inbound-ports", 22, 22)
	within(t, func(_ *netnstest.NS, b *Backend) {
		for _, tc := range []struct {
			name         string
			ops          []op
			errno        unix.Errno
			notSupported bool
			quote        string
		}{
			{"a rule that reads what is not there", []op{addTable{id}, addChain{id, inboundChain}, addRule{id, inboundChain, kernelRule{r, "nosuch"}, "x"}, delSet{id, "nor-this"}},
				unix.ENOENT, true, `«add rule inet shunt inbound tcp dport @nosuch counter accept comment "x"»`},
			{"a set that is not there", []op{addTable{id}, delSet{id, "nosuch"}},
				unix.ENOENT, false, `«delete set inet shunt nosuch»: no such file or directory (at "nosuch")`},
			{"a rule without a chain", []op{addTable{id}, ruleWithoutChain{id}},
				unix.EINVAL, false, "«add rule inet shunt»"},
			{"elements twice", []op{addTable{id}, addSet{id, "x", portKey}, addElements{elements{id, "x", portKey, []interval{{key{lo: 5}, key{lo: 9}}, {key{lo: 7}, key{lo: 8}}}}}},
				unix.EEXIST, false, "«add element inet shunt x { 5-9, 7-8 }»"},
		} {
			s := read(t, b)
			_, err := b.send(context.Background(), s.gen, []transaction{{doing: "try " + tc.name, ops: tc.ops}})
			if !errors.Is(err, tc.errno) || errors.Is(err, apply.ErrNotSupported) != tc.notSupported || !strings.Contains(err.Error(), tc.quote) || !strings.HasPrefix(err.Error(), "try "+tc.name) {
				t.Errorf("%s: %v", tc.name, err)
			}
			if after := read(t, b); after.gen != s.gen {
				t.Errorf("%s: something was committed", tc.name)
			}
		}
	})
}

type ruleWithoutChain struct{ table tableID }

func (o ruleWithoutChain) String() string { return "add rule " + o.table.String() }
func (o ruleWithoutChain) encode(e *encoder) {
	e.about(o.table, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func() {})
}

// After a refusal nothing else is sent and nothing waited for, but what had
// been written for it is taken back.
func TestNothingFollowsARefusal(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	ns.Run(t, func() {
		waited := 0
		b, err := Open(Options{Settle: func() { waited++ }})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		id, other := tableFor(bare()), tableID{unix.NFPROTO_IPV4, tableName}
		list := []transaction{
			{doing: "one", ops: []op{addTable{id}}},
			{doing: "two", ops: []op{delSet{id, "nosuch"}}, undo: []op{delTable{id}}},
			{doing: "three", wait: true, ops: []op{addTable{other}}},
		}
		n, err := b.send(context.Background(), read(t, b).gen, list)
		if n != 2 || waited != 0 || !errors.Is(err, unix.ENOENT) {
			t.Errorf("%d commits, waited %d times, %v; want the first and its undo", n, waited, err)
		}
		if s := read(t, b).State(); !s.Empty() {
			t.Errorf("left: %+v", s)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s := read(t, b)
		if n, err := b.send(ctx, s.gen, list[:1]); n != 0 || !errors.Is(err, context.Canceled) {
			t.Errorf("after the context has ended: %d commits, %v", n, err)
		}
	})
}

// What a re-apply does is in the log, in nft's words.
func TestTheLogOfAReapplyThatChangesTwoLists(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	ns.Run(t, func() {
		var out bytes.Buffer
		drop := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "generation" {
				return slog.Attr{}
			}
			return a
		}
		b, err := Open(Options{Settle: netns.Settle, Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: drop}))})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		p := with(bare(), func(p *plan.Plan) {
			p.Inbound = slices.Insert(p.Inbound, 0, skipPorts("skip-inbound-ports", 4190, 4191), plan.Rule{Name: "skip-subnets", Match: plan.Match{Src: parse("10.0.0.0/8")}})
		})
		makeLive(t, b, p)
		out.Reset()
		makeLive(t, b, with(p, func(p *plan.Plan) {
			p.Inbound[0] = skipPorts("skip-inbound-ports", 22, 22)
			p.Inbound[1].Match.Src = parse("192.0.2.0/24")
		}))
		const path = "testdata/reapply.log"
		if *update {
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if golden, err := os.ReadFile(path); err != nil || out.String() != string(golden) {
			t.Errorf("%v: logged\n%s", err, out.String())
		}
	})
}

// Init says it to a person whose pod lacks the capability.
func TestAMissingCapabilityIsNamedOnce(t *testing.T) {
	t.Parallel()
	err := openError(queryError("ask the kernel", unix.EPERM))
	if n := strings.Count(err.Error(), "CAP_NET_ADMIN"); n != 1 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%d times: %v", n, err)
	}
}
