package iptables

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shunt/apply"
	"shunt/plan"
)

// golden compares text with a file, or writes the file if UPDATE_GOLDEN is set.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (UPDATE_GOLDEN=1 rewrites it):\n%s\nwant:\n%s", path, got, want)
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	one := func(in, out plan.Rule) plan.Plan {
		p := standard()
		p.Inbound = append([]plan.Rule{in}, p.Inbound[1:]...)
		p.Outbound = append([]plan.Rule{out}, p.Outbound[3:]...)
		return p
	}
	without := standard()
	without.IPv6 = false
	tests := []struct {
		name  string
		mode  string
		stamp apply.Stamp
		plan  plan.Plan
	}{
		{name: "standard", mode: ModeLegacy, stamp: apply.Stamp{Version: "v1.2.3", Plan: "0123456789ab"}, plan: standard()},
		{name: "standard-nft", mode: ModeNFT, plan: standard()},
		{name: "standard-plain", mode: ModePlain, plan: standard()},
		{name: "without-ipv6", mode: ModeNFT, plan: without},
		{name: "everything", mode: ModeNFT, plan: everything()},
		{name: "subnets", mode: ModeNFT, plan: one(
			plan.Rule{Name: "skip-subnets", Match: plan.Match{Src: prefixList("10.0.0.0/8", "fd00::/8")}},
			plan.Rule{Name: "skip-outbound-subnets", Match: plan.Match{Dst: prefixList("0.0.0.0/0", "::/0")}})},
		{name: "ids", mode: ModeNFT, plan: one(
			plan.Rule{Name: "skip-inbound-ports", Match: plan.Match{TCP: true, DstPorts: ports("0-65535")}},
			plan.Rule{Name: "skip-outbound-uids", Match: plan.Match{UID: []plan.IDRange{{First: 0, Last: 0}, {First: 5, Last: 4294967294}}}})},
		{name: "hostile-stamp", mode: ModeNFT, stamp: apply.Stamp{Version: "v=\"1\"\n-F\t'\\é" + strings.Repeat("x", 300)}, plan: without},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := Render(test.mode, apply.Desired{Plan: test.plan, Stamp: test.stamp})
			golden(t, filepath.Join("testdata", "render", test.name+".txt"), text)
		})
	}
}

// parseSave reads what a command printed.
func parseSave(text string, fam plan.Family) (*table, error) {
	r := newSaveReader(fam, true)
	if _, err := r.Write([]byte(text)); err != nil {
		return nil, err
	}
	return r.end()
}

// TestParseSave reads what real commands printed (the files name the version)
// and what others print, or could.
func TestParseSave(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/save/*.save")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fam := plan.IPv4
			if strings.Contains(path, "ip6tables") {
				fam = plan.IPv6
			}
			table, err := parseSave(string(text), fam)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".save")+".golden", describe(table, fam))
		})
	}
}

func TestParseSaveRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"output that ends early":   "*nat\n:PREROUTING ACCEPT [0:0]\n",
		"output cut within quotes": "*nat\n-A PREROUTING -m comment --comment \"abc\nCOMMIT\n",
		"rules that only nft says": "# Table `nat' is incompatible, use 'nft' tool.\n",
	} {
		if table, err := parseSave(text, plan.IPv4); err == nil {
			t.Errorf("%s: no error, but %s", name, describe(table, plan.IPv4))
		}
	}
	if table, err := parseSave("", plan.IPv4); err != nil || len(table.sections(plan.IPv4)) > 0 {
		t.Errorf("no output, as of iptables-nft-save without a table: %v", err)
	}
}

// describe writes all that was read.
func describe(t *table, fam plan.Family) string {
	var b strings.Builder
	for _, s := range t.sections(fam) {
		fmt.Fprintf(&b, "%s\n", s.Place)
		for _, r := range s.Rules {
			c := "-"
			if r.Counter != nil {
				c = fmt.Sprintf("%d:%d", r.Counter.Packets, r.Counter.Bytes)
			}
			fmt.Fprintf(&b, "\t[%s] %s\n", c, lineOf(r))
			if r.NotUnderstood != "" {
				fmt.Fprintf(&b, "\t\tnot understood: %s\n", r.NotUnderstood)
			}
		}
	}
	for i, h := range hooks() {
		for _, j := range t.jumps[i] {
			fmt.Fprintf(&b, "jump %d of %s: %s\n", j.position, h.base, j.spec)
		}
		for _, line := range t.foreign[i] {
			fmt.Fprintf(&b, "foreign, to %s: %s\n", h.chain, line)
		}
	}
	return b.String()
}
