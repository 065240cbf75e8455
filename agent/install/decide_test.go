package install

import (
	"errors"
	"testing"
	"time"
)

func TestDecideMode(t *testing.T) {
	t.Parallel()
	list := Candidate{File: "10-x.conflist", List: true, Network: "x"}
	conf := Candidate{File: "10-x.conf", Network: "x"}
	inlined := Candidate{File: "10-x.conflist", List: true, Network: "x", Inlined: true}
	odd := Candidate{File: "10-x.conflist", List: true, Network: "../x"}
	for _, c := range []struct {
		name     string
		asked    Mode
		runtime  Runtime
		recorded Mode
		file     Candidate
		want     Mode // "": an error
	}{
		{"containerd 2.1", Auto, "containerd://2.1.0", "", list, Dropin},
		{"containerd 2.4", Auto, "containerd://2.4.2-rc.1", Chain, list, Dropin},
		{"containerd 2.0", Auto, "containerd://2.0.5", Dropin, list, Chain},
		{"containerd 1.7", Auto, "containerd://1.7.27", "", list, Chain},
		{"CRI-O 1.33", Auto, "cri-o://1.33.0", "", list, Dropin},
		{"CRI-O 1.32", Auto, "cri-o://1.32.4", "", list, Chain},
		{"another", Auto, "other://9.9", "", list, Chain},
		{"not known", Auto, "", "", list, Chain},
		{"not known, but recorded", Auto, "", Dropin, list, Dropin},
		{"a single plugin's file", Auto, "containerd://2.1.0", Dropin, conf, Chain},
		{"only inlined plugins", Auto, "containerd://2.1.0", "", inlined, Chain},
		{"an odd name", Auto, "containerd://2.1.0", "", odd, Chain},
		{"seen not to load a drop-in", Auto, "containerd://2.2.2", Dropin, list, Chain},
		{"asked for, although not loaded", Dropin, "containerd://2.2.2", Chain, list, Dropin},
		{"asked for", Chain, "containerd://2.1.0", Dropin, list, Chain},
		{"asked for, whatever the runtime", Dropin, "containerd://1.7.0", Chain, list, Dropin},
		{"asked for where it cannot work", Dropin, "", "", conf, ""},
		{"asked for where it is not read", Dropin, "", "", inlined, ""},
	} {
		got, _, err := decide(c.asked, c.runtime, "containerd://2.2.2", c.recorded, &c.file)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestChooseFile(t *testing.T) {
	t.Parallel()
	const list = `{"name":"x","plugins":[{"type":"ptp"}]}`
	for _, c := range []struct {
		name  string
		files map[string]string
		pin   string
		want  string // "": an error
		err   error
	}{
		{"the first by name", map[string]string{"20-b.conflist": list, "10-a.conf": `{"name":"a","type":"ptp"}`}, "", "10-a.conf", nil},
		{"podman's is not", map[string]string{"10-podman.conflist": `{"name":"podman","plugins":[{"type":"bridge"}]}`, "20-b.conflist": list}, "", "20-b.conflist", nil},
		{"podman's by its bridge", map[string]string{"10-p.conflist": `{"name":"n","plugins":[{"type":"bridge","bridge":"cni-podman1"}]}`}, "", "", ErrNoPrimary},
		{"loopback's is not", map[string]string{"10-lo.conf": `{"name":"lo","type":"loopback"}`}, "", "", ErrNoPrimary},
		{"Linkerd's alone is not", map[string]string{"01-linkerd-cni.conf": `{"name":"linkerd-cni","type":"linkerd-cni"}`}, "", "", ErrNoPrimary},
		{"other endings are not", map[string]string{"10-a.conflist.bak": list, ".10-a.conflist123": list}, "", "", ErrNoPrimary},
		{"one that is not valid is waited for", map[string]string{"10-a.conflist": "{", "20-b.conflist": list}, "", "", ErrUnparsable},
		{"one behind it is not looked at", map[string]string{"10-a.conflist": list, "20-b.conflist": "{"}, "", "10-a.conflist", nil},
		{"pinned", map[string]string{"10-a.conflist": list, "20-b.conflist": list}, "20-b.conflist", "20-b.conflist", nil},
		{"pinned, and converted since", map[string]string{"10-a.conflist": list, "20-b.conflist": list}, "20-b.conf", "20-b.conflist", nil},
		{"pinned, and not there", map[string]string{"10-a.conflist": list}, "20-b.conflist", "", ErrNoPrimary},
	} {
		n := newNode(t)
		for name, text := range c.files {
			n.put(name, text)
		}
		files, err := scan(n.net, shuntEntry(t).ours())
		if err != nil {
			t.Fatal(err)
		}
		got, err := choose(files, c.pin, func(string) bool { return true })
		if got.File != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got.File, err)
		}
	}
}

func TestContention(t *testing.T) {
	t.Parallel()
	var c contention
	start := time.Unix(1000, 0)
	for i := range 5 {
		now := start.Add(time.Duration(i) * time.Second)
		if c.link(now); c.contended(now) || !c.next().IsZero() {
			t.Errorf("after %d links: %+v", i+1, c)
		}
	}
	now := start.Add(5 * time.Second)
	for _, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		c.link(now)
		if got := c.next().Sub(now); !c.contended(now) || got != wait*time.Second {
			t.Errorf("the next is %s later, want %ds: %+v", got, wait, c)
		}
		now = c.next()
	}
	if last := now.Add(-30 * time.Second); !c.contended(last.Add(59*time.Second)) || c.contended(last.Add(time.Minute)) {
		t.Error("it does not end after a minute")
	}
}
