package iptables

import (
	"context"
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"shunt/plan"
)

var update = flag.Bool("update", false, "write the samples of entries anew")

// What the kernel hands out reads as what iptables-legacy-save prints of it.
func TestEntriesReadAsSavesDo(t *testing.T) {
	t.Parallel()
	isolate(t)
	r := rand.New(rand.NewPCG(11, 11))
	b := backend(t, ModeLegacy)
	plans := []plan.Plan{standard(), everything(), large(1000)}
	for range 20 {
		plans = append(plans, randomPlan(r))
	}
	for _, p := range plans {
		applied(t, b, p)
		sh(t, ModeLegacy, `iptables-$v -t nat -I PREROUTING -p udp --dport 53 -c 3 99 -j ACCEPT; ip6tables-$v -t nat -A OUTPUT -j ACCEPT`)
		for _, fam := range families() {
			compareReaders(t, b, fam, true)
		}
	}
	if *update {
		applied(t, b, everything())
		for _, fam := range families() {
			writeSample(t, fam)
		}
	}
}

// Of tables that others changed, each rule is read as iptables-legacy-save prints
// it, or the table is left to iptables-legacy-save.
func TestEntriesOfOthersReadAsSavesDoOrNotAtAll(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script string
		ok           bool
	}{
		{"no table", "true", true},
		{"no chains of ours", "iptables-$v -t nat -N OTHER; iptables-$v -t nat -A OTHER -p tcp -j REDIRECT --to-ports 1; iptables-$v -t nat -A OUTPUT -j OTHER", true},
		{"empty chains", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -N PROXY_INIT_REDIRECT", true},
		{"a jump twice, between others' rules", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; for i in 1 2; do iptables-$v -t nat -A OUTPUT -p udp -j ACCEPT; iptables-$v -t nat -A OUTPUT -m comment --comment 'proxy-init/x y' -j PROXY_INIT_OUTPUT; done", true},
		{"Linkerd's rules", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m owner --uid-owner 0 -m comment --comment proxy-init/ignore-proxy-user-id -j RETURN; iptables-$v -t nat -A PROXY_INIT_OUTPUT -o lo -j RETURN; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140 -m comment --comment proxy-init/redirect", true},
		{"a subnet", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -s 10.1.2.3/12 -d 0.0.0.0/0 -j RETURN", true},
		{"a mask with holes", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -s 10.0.0.1/255.0.0.255 -j RETURN", false},
		{"a rule that is negated", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT ! -o lo -j RETURN", false},
		{"many interfaces", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -o eth+ -j RETURN", false},
		{"an interface to come in by", "iptables-$v -t nat -N PROXY_INIT_REDIRECT; iptables-$v -t nat -A PROXY_INIT_REDIRECT -i eth0 -j RETURN", false},
		{"UDP", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p udp -j RETURN", false},
		{"one port", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp --dport 80 -j RETURN", false},
		{"source ports", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -m multiport --sports 80,81 -j RETURN", false},
		{"ports of either end", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -m multiport --ports 80,81 -j RETURN", false},
		{"ports that are negated", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -m multiport ! --dports 80,81 -j RETURN", false},
		{"an owner that is negated", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m owner ! --uid-owner 0 -j RETURN", false},
		{"two kinds of owner", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m owner --uid-owner 0 --gid-owner 0 -j RETURN", false},
		{"a kind of source address", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m addrtype --src-type LOCAL --dst-type LOCAL -j RETURN", false},
		{"another verdict", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -j ACCEPT", false},
		{"ports to choose from", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 80-90", false},
		{"a redirect to the same port", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT", false},
		{"a random port", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-ports 80 --random", false},
		{"another extension", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m mark --mark 1 -j RETURN", false},
		{"one of our chains leads to the other", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -N PROXY_INIT_REDIRECT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -j PROXY_INIT_REDIRECT", false},
		{"another chain leads to ours", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -N OTHER; iptables-$v -t nat -A OTHER -j PROXY_INIT_OUTPUT", false},
		{"a goto", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -g PROXY_INIT_OUTPUT", false},
		{"a jump with two matches", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -m owner --uid-owner 0 -m comment --comment x -j PROXY_INIT_OUTPUT", false},
		{"a comment with a line end", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m comment --comment 'x\n-F OUTPUT' -j RETURN", false},
		{"a comment that ends with a blank", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -m comment --comment 'shunt/outbound ' -j PROXY_INIT_OUTPUT", false},
		{"a stamp with a quote", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m comment --comment \"shunt/loopback it's\" -j RETURN", false},
		{"a stamp on another rule than the last", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m comment --comment 'shunt/x v=1' -j RETURN; iptables-$v -t nat -A PROXY_INIT_OUTPUT -j RETURN", false},
		{"a stamp on the last rule", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A PROXY_INIT_OUTPUT -m comment --comment 'shunt/x v=1' -j RETURN", true},
		{"a jump with more in its comment", "iptables-$v -t nat -N PROXY_INIT_OUTPUT; iptables-$v -t nat -A OUTPUT -m comment --comment 'shunt/outbound v0' -j PROXY_INIT_OUTPUT", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			isolate(t)
			sh(t, ModeLegacy, tc.script)
			compareReaders(t, backend(t, ModeLegacy), plan.IPv4, tc.ok)
		})
	}
}

// compareReaders reads one family's table in both ways.
func compareReaders(t *testing.T, b *Backend, fam plan.Family, ok bool) {
	t.Helper()
	raw, err := getEntries(fam)
	if err != nil {
		t.Fatal(err)
	}
	got, understood := raw.read(fam)
	if understood != ok {
		t.Fatalf("understood: %v, want %v", understood, ok)
	}
	if !ok {
		return
	}
	text, err := b.run(context.Background(), fam, "save", nil, nil, "-t", "nat", "-c")
	if err != nil {
		t.Fatal(err)
	}
	want, err := parseSave(text, fam, &table{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.chains {
		if c := &want.chains[i]; len(c.rules) == 0 {
			c.rules = nil
		}
	}
	if g, w := got.sections(fam), want.sections(fam); !reflect.DeepEqual(g, w) {
		t.Errorf("got\n%+v\nwant\n%+v\nfrom\n%s", g, w, text)
	}
	if !reflect.DeepEqual(got.jumps, want.jumps) {
		t.Errorf("jumps %+v, want %+v", got.jumps, want.jumps)
	}
	for i := range want.chains { // as it would be put back
		g, w := got.chains[i].appendRules(nil, "-A", "X"), want.chains[i].appendRules(nil, "-A", "X")
		if string(g) != string(w) {
			t.Errorf("spelled\n%s\nwant\n%s", g, w)
		}
	}
}

// A sample is the two offsets of each hook's base chain, and the entries.
func samplePath(fam plan.Family) string {
	return filepath.Join("testdata", "entries", fam.String()+".bin")
}

func writeSample(t *testing.T, fam plan.Family) {
	t.Helper()
	e, err := getEntries(fam)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for i := range e.start {
		b = binary.LittleEndian.AppendUint32(b, e.start[i])
		b = binary.LittleEndian.AppendUint32(b, e.end[i])
	}
	if err := os.WriteFile(samplePath(fam), append(b, e.data...), 0o644); err != nil {
		t.Fatal(err)
	}
}

// FuzzEntries reads any table. What is understood reads the same again from the
// line that is printed for it.
func FuzzEntries(f *testing.F) {
	for _, fam := range families() {
		b, err := os.ReadFile(samplePath(fam))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const header = 16
		if len(b) < header {
			return
		}
		e := &entries{data: b[header:]}
		for i := range e.start {
			e.start[i] = binary.LittleEndian.Uint32(b[8*i:])
			e.end[i] = binary.LittleEndian.Uint32(b[8*i+4:])
		}
		for _, fam := range families() {
			table, ok := e.read(fam)
			if !ok {
				continue
			}
			for _, s := range table.sections(fam) {
				for _, r := range s.Rules {
					if again := parseSpec(lineOf(r), fam); !again.Equal(r) {
						t.Errorf("%q reads back as %q", lineOf(r), lineOf(again))
					}
				}
			}
		}
	})
}
