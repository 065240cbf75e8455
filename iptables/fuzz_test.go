package iptables

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shunt/apply"
)

// FuzzParseSave reads anything. Whatever was read and understood must read the
// same again from the line that is printed for it.
func FuzzParseSave(f *testing.F) {
	files, err := filepath.Glob("testdata/save/*.save")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("*nat\n[1:2] -A PROXY_INIT_OUTPUT -m comment --comment \"\\\n\" ! -s\nCOMMIT")
	f.Add("*nat\n-A PROXY_INIT_REDIRECT -s 0.0.0.0/0\nCOMMIT")
	f.Add("*nat\n[0:0] -A PROXY_INIT_OUTPUT -o eth+\" XXX\" -j RETURN\nCOMMIT")
	f.Fuzz(func(t *testing.T, text string) {
		for _, fam := range families() {
			table, err := parseSave(text, fam)
			if err != nil {
				continue
			}
			for _, s := range table.sections(fam) {
				for _, r := range s.Rules {
					again := parseRule(lineOf(r), fam, nil)
					if r.NotUnderstood == "" && !again.Equal(r) {
						t.Errorf("%q reads back as %q", lineOf(r), lineOf(again))
					}
				}
			}
			checkScripts(t, table)
		}
	})
}

// checkScripts checks that the text that removes what was read is made of the
// commands that it should be made of, a line each.
func checkScripts(t *testing.T, from *table) {
	text, err := script(from, &table{})
	if err != nil {
		return
	}
	for line := range strings.Lines(text) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "*nat", line == "COMMIT":
		case strings.HasPrefix(line, ":PROXY_INIT_"), strings.HasPrefix(line, "-X PROXY_INIT_"):
		case strings.HasPrefix(line, "-D PREROUTING "), strings.HasPrefix(line, "-D OUTPUT "):
			if leadsTo(line) < 0 {
				t.Errorf("deletes a rule that is not ours: %q", line)
			}
		default:
			t.Errorf("a line that should not be there: %q", line)
		}
	}
}

// FuzzRenderedPlansReadBack puts a random plan among somebody's rules, and
// must find that plan, no more and no less.
func FuzzRenderedPlansReadBack(f *testing.F) {
	f.Add(uint64(1), "plain", "MINE")
	f.Add(uint64(2), `-j PROXY_INIT_REDIRECT`, "PREROUTING")
	f.Add(uint64(3), "\" -j PROXY_INIT_OUTPUT\n-A OUTPUT -j PROXY_INIT_OUTPUT\n\"", "OUTPUT")
	f.Add(uint64(4), `\`, "PROXY_INIT_OUTPUTS")
	f.Fuzz(func(t *testing.T, seed uint64, comment, name string) {
		if name == "" || strings.ContainsAny(name, " \t\r\n\"") || ourChain(name) >= 0 || strings.ContainsRune(comment, 0) {
			return // no names of others' chains, and no comment
		}
		p := randomPlan(rand.New(rand.NewPCG(seed, seed)))
		p.IPv6 = true
		for i, fam := range families() {
			want := planned(apply.Desired{Plan: p, Stamp: testStamp})[i]
			text, err := script(&table{}, want)
			if err != nil {
				t.Fatal(err)
			}
			foreign := string(appendQuoted([]byte("[1:2] -A "+name+" -p udp -m comment --comment "), comment)) + " -j ACCEPT\n"
			whole := strings.Replace(text, "-A ", foreign+"-A ", 1)
			whole = strings.Replace(whole, "COMMIT\n", foreign+"COMMIT\n", 1)
			got, err := parseSave(whole, fam)
			if err != nil {
				t.Fatalf("%v in:\n%s", err, whole)
			}
			if !got.equal(want, fam) || len(got.foreign[0])+len(got.foreign[1]) > 0 {
				t.Fatalf("read:\n%s\nfrom:\n%s", describe(got, fam), whole)
			}
			for i, h := range hooks() {
				if name == h.base && got.jumps[i][0].position != 2 {
					t.Errorf("the jump is at %d, not behind the foreign rule", got.jumps[i][0].position)
				}
			}
		}
	})
}

func TestRandomPlansAreOneCommitAndThenEqual(t *testing.T) {
	t.Parallel()
	overVariants(t, func(t *testing.T, mode string) {
		r := rand.New(rand.NewPCG(7, 7))
		b := backend(t, mode)
		last := 0
		for range 12 {
			p := randomPlan(r)
			if n, err := try(t, b, p); n == 0 || n > 2 || err != nil {
				t.Errorf("%d commits, %v", n, err)
			}
			settled(t, b, p, 0)
			last = len(b.Expand(p).Sections) / 4
		}
		clearAll(t, b, last)
	})
}
