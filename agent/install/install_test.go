package install

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const containerd2 = Runtime("containerd://2.1.4")

func TestChain(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	a := n.agent(Chain)
	st := n.sync(a, Waiting, "")
	if !strings.Contains(st.Why, "no network configuration in") {
		t.Errorf("why: %s", st.Why)
	}
	n.put("10-calico.conflist", calico)
	if err := os.Chmod(n.path("10-calico.conflist"), 0o640); err != nil {
		t.Fatal(err)
	}
	n.sync(a, Linked, "copied first, chained first")
	n.chain("calico portmap shunt")
	if info, err := os.Stat(n.path("10-calico.conflist")); err != nil || info.Mode() != 0o640 {
		t.Errorf("the file's mode is %v (%v)", info.Mode(), err)
	}
	n.sync(a, Linked, "")

	n.put("10-calico.conflist", strings.Replace(calico, `"mtu": 0`, `"mtu": 1400`, 1))
	n.sync(a, Linked, "chained lost")
	n.chain("calico portmap shunt")
	if !strings.Contains(n.get("10-calico.conflist"), `"mtu": 1400`) {
		t.Error("the primary's change was undone")
	}
	n.put("10-calico.conflist", strings.Replace(n.get("10-calico.conflist"), "2102", "2103", 1))
	n.sync(a, Linked, "chained altered")

	n.uninstall(false)
	if got, want := n.get("10-calico.conflist"), strings.Replace(calico, `"mtu": 0`, `"mtu": 1400`, 1); got != want {
		t.Errorf("uninstalled, it is\n%s\nwant\n%s", got, want)
	}
	if n.files() != "10-calico.conflist" || n.get(filepath.Join(n.bin, "shunt")) == "" {
		t.Errorf("files: %s; the binary stays", n.files())
	}
}

func TestDropin(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-calico.conflist", calico)
	a := n.agent(Dropin)
	n.sync(a, Linked, "copied first, chained first")
	n.chain("calico portmap shunt")
	if n.get("10-calico.conflist") != calico {
		t.Error("the primary's file was touched")
	}
	if n.files() != ".shunt-installed 10-calico.conflist k8s-pod-network/ k8s-pod-network/50-shunt.conf" {
		t.Errorf("files: %s", n.files())
	}
	n.put("10-calico.conflist", strings.Replace(calico, `"mtu": 0`, `"mtu": 1400`, 1))
	n.sync(a, Linked, "") // nobody fights over it
	n.put("k8s-pod-network/50-shunt.conf", `{"type"`)
	n.sync(a, Linked, "chained altered")
	if err := os.RemoveAll(n.path("k8s-pod-network")); err != nil {
		t.Fatal(err)
	}
	n.sync(a, Linked, "chained lost")
	n.put("10-calico.conflist", strings.Replace(calico, "k8s-pod-network", "pods", 1))
	n.sync(a, Linked, "chained moved, unchained stale")
	n.chain("calico portmap shunt")
	if n.files() != ".shunt-installed 10-calico.conflist pods/ pods/50-shunt.conf" {
		t.Errorf("files: %s", n.files())
	}
	n.uninstall(true)
	if n.files() != "10-calico.conflist" || n.get(filepath.Join(n.bin, "shunt")) != "" {
		t.Errorf("uninstalled with the binary: %s", n.files())
	}
}

func TestASinglePluginsFileIsConvertedAndPutBack(t *testing.T) {
	t.Parallel()
	const flannel = `{"name":"cbr0", "cniVersion":"0.3.1","type":"flannel"}`
	for _, file := range []string{"10-flannel.conf", "10-flannel.json"} {
		n := newNode(t)
		n.put(file, flannel)
		a := n.agent(Auto)
		a.SetRuntime(containerd2) // would read drop-ins, but not for this file
		n.sync(a, Linked, "copied first, chained first, converted first")
		n.chain("flannel shunt")
		if n.files() != ".shunt-installed 10-flannel.conflist" {
			t.Errorf("files: %s", n.files())
		}
		n.put(file, strings.Replace(flannel, "cbr0", "cbr1", 1)) // flannel starts again
		n.sync(n.agent(Chain), Linked, "chained lost, converted lost")
		n.chain("flannel shunt")
		n.uninstall(false)
		if n.get(file) != strings.Replace(flannel, "cbr0", "cbr1", 1) || n.files() != file {
			t.Errorf("uninstalled: %s\n%s", n.files(), n.get(file))
		}
	}
}

func TestAnothersConflistIsNotOverwrittenByAConversion(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-x.conf", `{"name":"x","type":"ptp"}`)
	n.put("10-x.conflist", `{"name":"y","plugins":[{"type":"bridge"}]}`)
	if _, err := n.agent(Chain).Sync(); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("it says %v", err)
	}
	n.chain("ptp")
}

// ready reports whether a pod that starts now gets its rules.
func (r Report) ready() bool { return r.State == Linked && r.Err == nil && !r.Contended }
