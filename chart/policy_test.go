package chart

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The images of the pods below.
const (
	proxyImage = "registry.example/linkerd/proxy:v1"
	ourImage   = "registry.example/mesh/shunt-init:v1.2.3"
)

// testInitImagePolicy has a webhook inject Linkerd's init container, as
// Linkerd's does, and the policy change its image.
func testInitImagePolicy(t *testing.T, s *apiServer) {
	s.create(t, `{apiVersion: v1, kind: Namespace, metadata: {name: app, labels: {inject: webhook}}}`)
	s.create(t, `{apiVersion: v1, kind: Namespace, metadata: {name: manual}}`)
	s.create(t, startInjector(t, s))
	injected := func(want string) func() error {
		return func() error { return s.images("app", nil, "linkerd-init="+want) }
	}
	s.wait(t, "the injector to be called", injected(proxyImage))

	policy := `{image: {version: v1.2.3, name: registry.example/mesh/shunt}, shunt: {cni: false, initImagePolicy: {enabled: true}}}`
	for _, doc := range documents(render(t, policy, "--api-versions", "admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy")) {
		s.create(t, doc)
	}
	s.wait(t, "the policy to change what the webhook injects", injected(ourImage))

	// Injected before, such as by linkerd inject --manual: only that container.
	first, second := container("first", "registry.example/first:1"), container("linkerd-init", proxyImage)
	if err := s.images("manual", []string{first, second}, "first=registry.example/first:1 linkerd-init="+ourImage); err != nil {
		t.Errorf("a pod that was injected before: %v", err)
	}
	for want, inits := range map[string][]string{"": nil, "first=registry.example/first:1": {first}} {
		if err := s.images("manual", inits, want); err != nil {
			t.Errorf("a pod without the container: %v", err)
		}
	}
}

func container(name, image string) string { return fmt.Sprintf(`{name: %s, image: %q}`, name, image) }

// images has the server make a pod, without keeping it, and compares its init
// containers with want: name=image, with spaces between them.
func (s *apiServer) images(namespace string, inits []string, want string) error {
	pod := fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: %s}, spec: {initContainers: [%s], containers: [%s]}}`,
		namespace, strings.Join(inits, ", "), container("app", "registry.example/app:1"))
	answer, err := s.post(pod, "dryRun=All")
	if err != nil {
		return err
	}
	var made struct {
		Spec struct {
			InitContainers []struct{ Name, Image string }
		}
	}
	if err := json.Unmarshal(answer, &made); err != nil {
		return err
	}
	var got []string
	for _, c := range made.Spec.InitContainers {
		got = append(got, c.Name+"="+c.Image)
	}
	if got := strings.Join(got, " "); got != want {
		return fmt.Errorf("the init containers are %q, want %q", got, want)
	}
	return nil
}

// startInjector serves a webhook that adds Linkerd's init container, and
// returns its configuration.
func startInjector(t *testing.T, s *apiServer) string {
	t.Helper()
	cert, ca := certificate(t)
	var listener net.Listener
	err := s.ns.Do(func() (err error) { listener, err = net.Listen("tcp4", "127.0.0.1:0"); return err })
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(inject), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: injector}
webhooks:
  - name: injector.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    clientConfig: {url: "https://%s/", caBundle: %s}
    namespaceSelector: {matchLabels: {inject: webhook}}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
`, listener.Addr(), base64.StdEncoding.EncodeToString(ca))
}

// inject answers an admission review with a patch.
func inject(w http.ResponseWriter, r *http.Request) {
	var review struct{ Request struct{ UID string } }
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	patch := fmt.Sprintf(`[{"op":"add","path":"/spec/initContainers","value":[{"name":"linkerd-init","image":%q,"command":["/usr/lib/linkerd/linkerd2-proxy-init"]}]}]`, proxyImage)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"response": map[string]any{"uid": review.Request.UID, "allowed": true, "patchType": "JSONPatch", "patch": []byte(patch)},
	})
}

// certificate makes a server certificate for 127.0.0.1, and returns it also as
// the authority that signed it.
func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
