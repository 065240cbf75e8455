package install

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
)

// shuntEntry is an entry for tests.
func shuntEntry(t testing.TB) Entry {
	t.Helper()
	e, err := NewEntry([]byte(`{"type":"shunt","linkerd":{"proxy-uid":2102}}`), "", "linkerd-cni")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const calico = `{
  "name": "k8s-pod-network",
  "cniVersion": "0.3.1",
  "plugins": [
    {
      "type": "calico",
      "mtu": 0,
      "serial": 12345678901234567890,
      "ratio": 1.0,
      "policy": {"type": "k8s"},
      "escaped": "<\u00e4>"
    },
    {"type": "portmap", "snat": true, "capabilities": {"portMappings": true}}
  ],
  "unknown": [ 1,2 ]
}
`

func TestTheEntryIsAddedAndTheRestStaysByteForByte(t *testing.T) {
	t.Parallel()
	e := shuntEntry(t)
	for name, file := range map[string]string{
		"laid out":      calico,
		"with tabs":     strings.ReplaceAll(calico, "  ", "\t"),
		"one line":      `{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"ptp"},{"type":"portmap"}]}`,
		"odd space":     "{ \"name\":\"n\" , \"plugins\" :[ {\"type\":\"ptp\"} ,\r\n\t{\"type\":\"portmap\"}\n\n] }\n\n",
		"plugins twice": `{"plugins":[{"type":"other"}],"name":"n","plugins":[{"type":"ptp"}]}`,
	} {
		l, err := parseConflist([]byte(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		with := l.with(e)
		after, err := parseConflist(with)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, with)
		}
		if len(after.entries) != len(l.entries)+1 || !after.holds(e) || after.entries[len(l.entries)].typ != "shunt" {
			t.Errorf("%s: not last:\n%s", name, with)
		}
		for i, p := range l.entries {
			if !bytes.Equal(p.raw, after.entries[i].raw) {
				t.Errorf("%s: plugin %d was\n%s\nand is\n%s", name, i, p.raw, after.entries[i].raw)
			}
		}
		if again := after.with(e); !bytes.Equal(again, with) {
			t.Errorf("%s: added twice:\n%s", name, again)
		}
		if back := after.without(e.ours()); string(back) != file {
			t.Errorf("%s: taken out again, it is\n%s\nand was\n%s", name, back, file)
		}
		if _, err := libcni.NetworkConfFromBytes(with); err != nil {
			t.Errorf("%s: libcni: %v\n%s", name, err, with)
		}
	}
}

func TestTheEntryLooksAsIfWrittenByHand(t *testing.T) {
	t.Parallel()
	l, err := parseConflist([]byte(calico))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(calico, `{"portMappings": true}}
`, `{"portMappings": true}},
    {
      "type": "shunt",
      "linkerd": {
        "proxy-uid": 2102
      },
      "capabilities": {
        "io.kubernetes.cri.pod-annotations": true
      },
      "exclude-namespaces": [
        "kube-system",
        "linkerd-cni"
      ]
    }
`, 1)
	if got := l.with(shuntEntry(t)); string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhichEntriesAreRight(t *testing.T) {
	t.Parallel()
	e := shuntEntry(t)
	ours := string(e.JSON)
	other := strings.Replace(ours, "2102", "2103", 1)
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, e.JSON, "", "    "); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		plugins string
		holds   bool
	}{
		{"last", `{"type":"ptp"},` + ours, true},
		{"in other words", `{"type":"ptp"},` + spaced.String(), true},
		{"others behind it", `{"type":"ptp"},` + ours + `,{"type":"istio-cni"}`, true},
		{"before the plugin that makes the interface", ours + `,{"type":"ptp"}`, false},
		{"not there", `{"type":"ptp"}`, false},
		{"another's values", `{"type":"ptp"},` + other, false},
		{"twice", `{"type":"ptp"},` + ours + `,` + ours, false},
		{"Linkerd's beside it", `{"type":"ptp"},{"type":"linkerd-cni"},` + ours, false},
	} {
		l, err := parseConflist([]byte(`{"name":"n","plugins":[` + c.plugins + `]}`))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if l.holds(e) != c.holds {
			t.Errorf("%s: holds is %v", c.name, !c.holds)
		}
		fixed, err := parseConflist(l.with(e))
		if err != nil || !fixed.holds(e) {
			t.Errorf("%s: written anew, it is\n%s (%v)", c.name, l.with(e), err)
		}
	}
}

func TestASinglePluginBecomesAList(t *testing.T) {
	t.Parallel()
	got, err := convert([]byte(`{"name":"cbr0","type":"flannel","serial":12345678901234567890,"cniVersion":"0.3.1","delegate":{"isDefaultGateway":true}}`))
	want := `{
  "cniVersion": "0.3.1",
  "name": "cbr0",
  "plugins": [
    {
      "type": "flannel",
      "serial": 12345678901234567890,
      "delegate": {
        "isDefaultGateway": true
      }
    }
  ]
}
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// FuzzChain: whatever libcni can load, it can load with the entry, too, and
// taking the entry out gives back what was there.
func FuzzChain(f *testing.F) {
	f.Add([]byte(calico))
	f.Add([]byte(`{"name":"n","plugins":[{"type":"ptp"},{"type":"linkerd-cni"},{"type":"portmap"}]}`))
	f.Add([]byte(`{"name":"n","plugins":[{"type":"shunt"}]}`))
	f.Add([]byte(`{"plugins":[],"name":"n","plugins":[ {"type":"a"} ]} `))
	e := shuntEntry(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := libcni.NetworkConfFromBytes(data); err != nil {
			return
		}
		l, err := parseConflist(data)
		if err != nil || len(l.entries) == 0 {
			return // libcni is laxer: no plugins at all
		}
		kept := len(l.others(e.ours()))
		with := l.with(e)
		if kept == 0 {
			if !bytes.Equal(with, data) {
				t.Errorf("a list of only ours was changed:\n%s", with)
			}
			return
		}
		if _, err := libcni.NetworkConfFromBytes(with); err != nil {
			t.Fatalf("libcni: %v\n%s", err, with)
		}
		after, err := parseConflist(with)
		if err != nil || !after.holds(e) || len(after.entries) != kept+1 {
			t.Fatalf("%v\n%s", err, with)
		}
		if kept == len(l.entries) {
			if back := after.without(e.ours()); !bytes.Equal(back, data) {
				t.Errorf("taken out again, it is\n%s", back)
			}
		}
	})
}
