// Package chart has the tests of the Helm chart, which is made of the files
// beside it.
package chart

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"shunt/netns/netnstest"
)

var update = flag.Bool("update", false, "rewrite the golden files from what helm renders")

func TestMain(m *testing.M) {
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	netnstest.Main(m)
}

// helm returns the path of Helm, built once from the module beside this folder.
var helm = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "tool", "-n", "helm")
	cmd.Dir = "helm"
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, err, &errs)
	}
	return strings.TrimSpace(string(out)), nil
})

// try runs helm with values, if any, and returns what it prints.
func try(t *testing.T, values string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, err := helm()
	if err != nil {
		netnstest.Skip(t, "helm is not to be had: %v", err)
	}
	if values != "" {
		args = append(args, "--values", "-")
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
	cmd.Stdin = strings.NewReader(values)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// render returns the rendered chart.
func render(t *testing.T, values string, flags ...string) string {
	t.Helper()
	out, errs, err := try(t, values, append([]string{"template", "linkerd-cni", ".", "--namespace", "linkerd-cni"}, flags...)...)
	if err != nil {
		t.Fatalf("helm template %q: %v\n%s", flags, err, errs)
	}
	return out
}

// golden is an archive of testdata: values and flags, and what is rendered or
// how it differs from the defaults. The archive's comment says what it shows.
type golden struct {
	path    string
	archive *txtar.Archive
}

func goldens(t *testing.T) []golden {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var all []golden
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, golden{path, a})
	}
	return all
}

func (g golden) file(name string) string {
	for _, f := range g.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (g golden) render(t *testing.T) string {
	t.Helper()
	return render(t, g.file("values.yaml"), strings.Fields(g.file("flags"))...)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	defaults := render(t, "")
	for _, g := range goldens(t) {
		t.Run(filepath.Base(g.path), func(t *testing.T) {
			t.Parallel()
			got := g.render(t)
			last := &g.archive.Files[len(g.archive.Files)-1]
			if last.Name == "diff" {
				got = string(diff.Diff("defaults", []byte(defaults), "rendered", []byte(got)))
			}
			if *update {
				last.Data = []byte(got)
				if err := os.WriteFile(g.path, txtar.Format(g.archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(last.Data); got != want {
				t.Errorf("%s (go test ./chart -update, if it is meant):\n%s", last.Name, diff.Diff("want", []byte(want), "got", []byte(got)))
			}
		})
	}
}

// Every value has a golden that sets it.
func TestEveryValueHasAGolden(t *testing.T) {
	t.Parallel()
	var set []string
	for _, g := range goldens(t) {
		texts := []string{g.file("values.yaml")}
		for _, flag := range strings.Fields(g.file("flags")) {
			if path, ok := strings.CutPrefix(flag, "--values="); ok {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
		}
		for _, text := range texts {
			set = append(set, leaves(t, text)...)
		}
	}
	values, err := os.ReadFile("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range leaves(t, string(values)) {
		if !slices.ContainsFunc(set, func(s string) bool { return s == name || strings.HasPrefix(s, name+".") }) {
			t.Errorf("no golden sets %s", name)
		}
	}
}

// leaves returns the names of all values in a file: a.b.c.
func leaves(t *testing.T, text string) (names []string) {
	t.Helper()
	var root map[string]any
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 {
			names = append(names, strings.TrimPrefix(prefix, "."))
		}
		for key, value := range m {
			walk(prefix+"."+key, value)
		}
	}
	walk("", root)
	return names
}

// The chart takes the place of Linkerd's, under these names (charts/linkerd2-cni
// of Linkerd edge-26.8).
func TestLinkerdsValuesAreKnown(t *testing.T) {
	t.Parallel()
	values, err := os.ReadFile("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var ours map[string]any
	if err := yaml.Unmarshal(values, &ours); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`
		inboundProxyPort outboundProxyPort ignoreInboundPorts ignoreOutboundPorts proxyAdminPort proxyControlPort podLabels
		commonLabels logLevel portsToRedirect proxyUID proxyGID destCNINetDir destCNIBinDir useWaitFlag iptablesMode disableIPv6
		priorityClassName revisionHistoryLimit updateStrategy enablePSP privileged tolerations nodeAffinity image
		imagePullSecrets extraInitContainers repairController resources`) {
		if _, known := ours[name]; !known {
			t.Errorf("Linkerd's value %s is not in values.yaml", name)
		}
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	if out, errs, err := try(t, "", "lint", ".", "--strict"); err != nil {
		t.Errorf("helm lint: %v\n%s%s", err, out, errs)
	}
}

// A packed chart is that of its version and registry, the same each time.
func TestPackedChart(t *testing.T) {
	t.Parallel()
	pack := func() (path string, archive []byte) {
		out, err := exec.Command("../scripts/chart.sh", "v1.2.3", "registry.example/mesh", "1700000000", t.TempDir()).Output()
		if err != nil {
			t.Fatalf("scripts/chart.sh: %v", err)
		}
		path = strings.TrimSpace(string(out))
		if archive, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		return path, archive
	}
	path, first := pack()
	if _, second := pack(); !bytes.Equal(first, second) {
		t.Error("the same chart, packed twice, differs")
	}
	if filepath.Base(path) != "shunt-1.2.3.tgz" {
		t.Errorf("the chart is %s", path)
	}
	out, errs, err := try(t, "", "template", "r", path)
	if err != nil || !strings.Contains(out, "image: registry.example/mesh/shunt:v1.2.3\n") {
		t.Errorf("helm template: %v\n%s%s", err, errs, out)
	}
	if out, errs, err := try(t, "", "lint", path, "--strict"); err != nil {
		t.Errorf("helm lint: %v\n%s%s", err, out, errs)
	}
}

// What cannot be right is an error that says what would be.
func TestBadValues(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"ignoreInboundport: 80":                                 "'ignoreInboundport' not allowed",
		"shunt: {onTrem: keep}":                                 "'onTrem' not allowed",
		"shunt: {evict: true, repair: \"off\"}":                 "needs shunt.repair",
		"shunt: {netnsDir: run/netns}":                          "/shunt/netnsDir",
		"shunt: {netnsDir: \"\"}":                               "needs shunt.netnsDir or shunt.netnsFromProcesses",
		"image: {tag: v1}":                                      "'tag' not allowed",
		"logLevel: loud":                                        "/logLevel",
		"ignoreOutboundPorts: 33o6":                             "/ignoreOutboundPorts",
		"destCNIBinDir: opt/cni/bin":                            "/destCNIBinDir",
		"shunt: {metrics: {podMonitor: {enabled: true}}}":       "needs shunt.metrics.enabled",
		"image: {name: registry.example/linkerd/cni-plugin}":    "Linkerd's installer: want shunt's",
		"shunt: {initImagePolicy: {enabled: true}, cni: false}": "serves no MutatingAdmissionPolicy",
		"shunt: {resourceQuota: true}\npriorityClassName: \"\"": "needs priorityClassName",
	} {
		out, errs, err := try(t, values, "template", "linkerd-cni", ".")
		if err == nil || !strings.Contains(errs, want) {
			t.Errorf("%s: %v, and helm says\n%s\nwant %q\n%s", values, err, errs, want, out)
		}
	}
}

// The notes say how to see that it works.
func TestNotes(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"image: {version: v1.2.3}":                  "shunt v1.2.3 is on its way to every Linux node",
		"shunt: {mode: chain}":                      "kubectl -n mesh rollout status daemonset/linkerd-cni",
		"repairController: {enabled: true}":         "the agent repairs pods itself\n(shunt.repair is in-place, shunt.evict is false)",
		"shunt: {cni: false}\nimage: {version: v1}": "NOTES:\n",
	} {
		out, errs, err := try(t, values, "install", "r", ".", "--namespace", "mesh", "--dry-run=client")
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v, and helm says\n%s%s\nwant %q", values, err, out, errs, want)
		}
	}
}
