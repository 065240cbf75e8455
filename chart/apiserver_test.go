package chart

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"shunt/netns/netnstest"
)

// TestAPIServer starts etcd and kube-apiserver, without a cluster, and has it
// judge what the chart renders. They are looked for in KUBEBUILDER_ASSETS, as
// controllers' tests do, and in PATH; no distribution has kube-apiserver, so
// without it the test is skipped under CI, too.
func TestAPIServer(t *testing.T) {
	t.Parallel()
	s := startAPIServer(t)
	s.create(t, `{apiVersion: v1, kind: Namespace, metadata: {name: linkerd-cni, labels: {pod-security.kubernetes.io/enforce: privileged}}}`)
	s.create(t, podMonitors)
	t.Run("it accepts every object", func(t *testing.T) {
		s.wait(t, "PodMonitors to be served", func() error { _, err := s.resource("monitoring.coreos.com/v1", "PodMonitor"); return err })
		for _, g := range goldens(t) {
			for _, doc := range documents(g.render(t)) {
				if _, err := s.post(doc, "dryRun=All&fieldValidation=Strict"); err != nil {
					t.Errorf("%s: %v\n%s", g.path, err, doc)
				}
			}
		}
	})
	t.Run("a namespace that is not for privileged pods refuses the test's, and says so", func(t *testing.T) {
		s.create(t, `{apiVersion: v1, kind: Namespace, metadata: {name: confined, labels: {pod-security.kubernetes.io/enforce: baseline}}}`)
		for _, doc := range documents(render(t, "", "--namespace", "confined", "--show-only", "templates/tests/status.yaml")) {
			if _, err := s.post(doc, "dryRun=All"); err == nil || !strings.Contains(err.Error(), "violates PodSecurity") {
				t.Errorf("the test's pod: %v", err)
			}
		}
	})
	t.Run("it knows the selector of Events that the notes give", func(t *testing.T) {
		notes, errs, err := try(t, "", "install", "r", ".", "--dry-run=client")
		if err != nil {
			t.Fatalf("%v\n%s", err, errs)
		}
		_, selector, _ := strings.Cut(notes, "--field-selector ")
		selector, _, found := strings.Cut(selector, "\n")
		if _, err := s.do("GET", "/api/v1/events?fieldSelector="+url.QueryEscape(selector), nil); err != nil || !found {
			t.Errorf("%q: %v", selector, err)
		}
	})
	t.Run("the init container's image", func(t *testing.T) { testInitImagePolicy(t, s) })
}

// podMonitors is a resource definition without a schema: whether PodMonitors
// are as the operator wants them is not checked.
const podMonitors = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PodMonitor, plural: podmonitors}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// documents splits YAML into its documents.
func documents(text string) (docs []string) {
	for _, doc := range strings.Split(text, "\n---\n") {
		doc = strings.TrimPrefix(strings.TrimSpace(doc), "---\n")
		if strings.Contains(doc, "kind:") {
			docs = append(docs, doc)
		}
	}
	return docs
}

// apiServer is a running kube-apiserver, in a network namespace of its own.
type apiServer struct {
	ns     *netnstest.NS
	client *http.Client
}

func startAPIServer(t *testing.T) *apiServer {
	t.Helper()
	etcd, server := program(t, "etcd"), program(t, "kube-apiserver")
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"tokens.csv": []byte(token + ",admin,admin,system:masters\n"),
		"sa.key":     pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &apiServer{ns: netnstest.New(t)}
	s.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // its certificate is its own, and nobody else is in the namespace
		DialContext: func(ctx context.Context, network, addr string) (c net.Conn, err error) {
			err = s.ns.Do(func() (err error) { c, err = new(net.Dialer).DialContext(ctx, network, addr); return err })
			return c, err
		},
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.start(t, dir, etcd, "--data-dir", filepath.Join(dir, "etcd"), "--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379",
		"--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync")
	s.start(t, dir, server, "--etcd-servers=http://127.0.0.1:2379", "--cert-dir", filepath.Join(dir, "certs"), "--bind-address=127.0.0.1", "--secure-port=6443",
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/24",
		"--token-auth-file", filepath.Join(dir, "tokens.csv"), "--authorization-mode=RBAC", "--allow-privileged",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file", filepath.Join(dir, "sa.key"), "--service-account-signing-key-file", filepath.Join(dir, "sa.key"),
		"--disable-admission-plugins=ServiceAccount", // no controller makes the accounts
		"--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config=admissionregistration.k8s.io/v1beta1=true")
	s.wait(t, "kube-apiserver", func() error { _, err := s.do("GET", "/readyz", nil); return err })
	s.wait(t, "the priority classes", func() error {
		_, err := s.do("GET", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical", nil)
		return err
	})
	return s
}

const token = "of-a-test"

// program finds a program of Kubernetes.
func program(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), name)
	if _, err := os.Stat(path); os.Getenv("KUBEBUILDER_ASSETS") != "" && err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is in neither KUBEBUILDER_ASSETS nor PATH", name)
	}
	return path
}

// start starts a program that ends with the test, whatever that ends by.
func (s *apiServer) start(t *testing.T, dir, path string, args ...string) {
	t.Helper()
	name := filepath.Base(path)
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, done := make(chan error), make(chan struct{})
	// The death signal is for the end of the thread that started it.
	go s.ns.Do(func() error {
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
		return nil
	})
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the end of %s's log:\n%s", name, text[max(0, len(text)-4000):])
		}
	})
}

// wait repeats f until it succeeds, for two minutes at most.
func (s *apiServer) wait(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("wait for %s: %v", what, err)
}

// do makes a request and returns the answer's body.
func (s *apiServer) do(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, "https://127.0.0.1:6443"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	return answer, err
}

// object is what of an object decides where it is posted.
type object struct {
	APIVersion, Kind string
	Metadata         struct{ Namespace string }
}

// resource returns the path of a group and version, and the name of a kind's
// resource in it.
func (s *apiServer) resource(version, kind string) (string, error) {
	base := "/apis/" + version
	if version == "v1" {
		base = "/api/v1"
	}
	answer, err := s.do("GET", base, nil)
	if err != nil {
		return "", err
	}
	var list struct{ Resources []struct{ Name, Kind string } }
	if err := json.Unmarshal(answer, &list); err != nil {
		return "", err
	}
	for _, r := range list.Resources {
		if r.Kind == kind && !strings.Contains(r.Name, "/") {
			return base + "/%s" + r.Name, nil
		}
	}
	return "", fmt.Errorf("%s has no %s", version, kind)
}

// post creates what a YAML document describes.
func (s *apiServer) post(doc, query string) ([]byte, error) {
	var value any
	if err := yaml.Unmarshal([]byte(doc), &value); err != nil {
		return nil, err
	}
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, err
	}
	format, err := s.resource(o.APIVersion, o.Kind)
	if err != nil {
		return nil, err
	}
	folder := ""
	if o.Metadata.Namespace != "" {
		folder = "namespaces/" + o.Metadata.Namespace + "/"
	}
	return s.do("POST", fmt.Sprintf(format, folder)+"?"+query, body)
}

func (s *apiServer) create(t *testing.T, doc string) {
	t.Helper()
	if _, err := s.post(doc, "fieldValidation=Strict"); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
}
