package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostIP is this machine's address, as the node sees it (up.sh).
const hostIP = "10.240.0.1"

// proxyStandIn is an image that has Linkerd's program at its place, which is no
// use: whatever applies rules is not it.
const proxyStandIn = "localhost/proxy:e2e"

// TestInitMode has Linkerd's init container run shunt, in the ways that
// docs/install.md tells, without the plugin.
func TestInitMode(t *testing.T) {
	c := setUp(t)
	m := c.machine()
	c.prepare()
	c.start(podsNamespace, pod{name: "client"}, pod{name: "early"})
	initImage := strings.Replace(os.Getenv(envImage), "shunt:", "shunt-init:", 1)
	built := m.build()
	m.importImages(built...)
	rules := func(c cluster, name string) {
		c.Helper()
		c.answers(podsNamespace, "client", name, plainPort, "proxy inbound")
		c.answers(podsNamespace, "client", name, skippedPort, "app")
		c.answers(podsNamespace, name, "early", plainPort, "proxy outbound")
	}

	c.story("Linkerd up to 2.19: an image of the init container, with arguments only", func(c cluster) {
		c.start(podsNamespace, pod{name: "image", proxy: true, spec: linkerdInit(initImage, false)})
		rules(c, "image")
	})
	c.story("the proxy's image with one file replaced, by a Dockerfile of two lines", func(c cluster) {
		c.start(podsNamespace, pod{name: "two-lines", proxy: true, spec: linkerdInit("localhost/proxy:shunt", true)})
		rules(c, "two-lines")
	})
	c.story("the stand-in for the proxy's image by itself applies nothing", func(c cluster) {
		c.apply(pod{name: "alone", proxy: true, spec: linkerdInit(proxyStandIn, true)}.manifest(podsNamespace))
		c.eventually("its init container to end with 42", func() error {
			if code := c.kubectl("-n", podsNamespace, "get", "pod", "alone", "-o", "jsonpath={.status.initContainerStatuses[0]..exitCode}"); code != "42" && !strings.HasPrefix(code, "42 ") {
				return fmt.Errorf("it ended with %q", code)
			}
			return nil
		})
		c.kubectl("-n", podsNamespace, "delete", "pod", "alone", "--wait")
	})
	c.helm(append(release("install", ".."), "--set", "shunt.cni=false", "--set", "shunt.initImagePolicy.enabled=true")...)
	c.story("the chart's policy gives a pod that carries the init container shunt's image", func(c cluster) {
		c.eventually("the policy to be in force", func() error {
			c.kubectl("-n", podsNamespace, "delete", "pod", "policy", "--ignore-not-found", "--wait")
			c.apply(pod{name: "policy", proxy: true, spec: linkerdInit(proxyStandIn, true)}.manifest(podsNamespace))
			return c.hasInitImage("policy", initImage)
		})
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/policy")
		rules(c, "policy")
	})
	c.story("and one into which a webhook injects it", func(c cluster) {
		c.injector()
		c.eventually("the webhook to be in force", func() error {
			c.kubectl("-n", podsNamespace, "delete", "pod", "injected", "--ignore-not-found", "--wait")
			c.apply(pod{name: "injected", proxy: true}.manifest(podsNamespace))
			return c.hasInitImage("injected", initImage)
		})
		c.kubectl("-n", podsNamespace, "wait", "--for=condition=Ready", "--timeout=90s", "pod/injected")
		rules(c, "injected")
	})
}

// linkerdInit is Linkerd's init container as its chart writes it, as a line of a
// pod's spec: from edge-25.11 on with a command, before with arguments only.
func linkerdInit(image string, command bool) string {
	c := map[string]any{
		"name": "linkerd-init", "image": image, "imagePullPolicy": "IfNotPresent",
		"args": []string{"--firewall-bin-path", "iptables-nft", "--firewall-save-bin-path", "iptables-nft-save", "--ipv6=false",
			"--incoming-proxy-port", "4143", "--outgoing-proxy-port", "4140", "--proxy-uid", "2102",
			"--inbound-ports-to-ignore", "4190,4191," + skippedPort, "--log-format", "plain", "--log-level", "info"},
		"securityContext": map[string]any{
			"allowPrivilegeEscalation": false, "capabilities": map[string]any{"add": []string{"NET_ADMIN", "NET_RAW"}}, "privileged": false,
			"runAsNonRoot": true, "runAsUser": 65534, "runAsGroup": 65534, "readOnlyRootFilesystem": true,
			"seccompProfile": map[string]any{"type": "RuntimeDefault"},
		},
		"terminationMessagePolicy": "FallbackToLogsOnError",
	}
	if command {
		c["command"] = []string{"/usr/lib/linkerd/linkerd2-proxy-init"}
	}
	b, _ := json.Marshal([]any{c}) // strings, lists and maps: it cannot fail
	return "initContainers: " + string(b)
}

// hasInitImage says whether a pod's init container has an image.
func (c cluster) hasInitImage(pod, want string) error {
	c.Helper()
	if got := c.kubectl("-n", podsNamespace, "get", "pod", pod, "-o", "jsonpath={.spec.initContainers[*].image}"); got != want {
		return fmt.Errorf("the image of the init container is %q, want %q", got, want)
	}
	return nil
}

// build builds the stand-in for the proxy's image, and from it, by the Dockerfile
// of docs/install.md, the one with shunt in it. It returns their archives.
func (m machine) build() []string {
	m.Helper()
	dir := m.TempDir()
	store := []string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}
	buildah := func(args ...string) { m.Helper(); m.run("buildah", append(store[:len(store):len(store)], args...)...) }
	m.Cleanup(func() { m.run("buildah", append(store, "rmi", "--all", "--force")...) })
	docs, err := os.ReadFile("../docs/install.md")
	if err != nil {
		m.Fatal(err)
	}
	_, dockerfile, found := strings.Cut(string(docs), "       FROM cr.l5d.io/linkerd/proxy:")
	_, dockerfile, _ = strings.Cut(dockerfile, "\n")
	dockerfile, _, _ = strings.Cut(dockerfile, "\n")
	dockerfile = strings.ReplaceAll(dockerfile, "registry.example/mesh/shunt", os.Getenv(envImage))
	if !found || !strings.Contains(dockerfile, os.Getenv(envImage)) {
		m.Fatalf("docs/install.md has no Dockerfile: %q", dockerfile)
	}
	files := map[string]string{
		"linkerd2-proxy-init": "#!/bin/sh\nexit 42\n",
		"Dockerfile.proxy":    "FROM " + tools() + "\nCOPY linkerd2-proxy-init /usr/lib/linkerd/linkerd2-proxy-init\n",
		"Dockerfile":          "FROM " + proxyStandIn + "\n" + dockerfile + "\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			m.Fatal(err)
		}
	}
	for _, archive := range append(strings.Fields(os.Getenv("IMAGES")), filepath.Join(m.folder, "img", "tools.tar")) {
		buildah("pull", "docker-archive:"+archive)
	}
	var archives []string
	for _, image := range []struct{ file, name string }{{"Dockerfile.proxy", proxyStandIn}, {"Dockerfile", "localhost/proxy:shunt"}} {
		archive := filepath.Join(dir, image.file+".tar")
		buildah("build", "--isolation", "chroot", "--pull-never", "-f", filepath.Join(dir, image.file), "-t", image.name, dir)
		buildah("push", image.name, "docker-archive:"+archive+":"+image.name)
		archives = append(archives, archive)
	}
	return archives
}

func (m machine) importImages(archives ...string) {
	m.Helper()
	for _, archive := range archives {
		m.ctr("images", "import", archive)
	}
}

// injector serves a webhook that adds Linkerd's init container to the pods of the
// test's namespace.
func (c cluster) injector() {
	c.Helper()
	cert, authority := certificate(c.T)
	listener, err := net.Listen("tcp4", hostIP+":0")
	if err != nil {
		c.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(inject), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	c.apply(fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: shunt-e2e}
webhooks:
- name: injector.shunt.test
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "https://%s/", caBundle: %s}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
`, listener.Addr(), base64.StdEncoding.EncodeToString(authority), podsNamespace))
	c.Cleanup(func() {
		c.kubectl("delete", "mutatingwebhookconfiguration", "shunt-e2e")
		_ = server.Close()
	})
}

// inject answers an admission review with a patch.
func inject(w http.ResponseWriter, r *http.Request) {
	var review struct{ Request struct{ UID string } }
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	containers := strings.TrimPrefix(linkerdInit(proxyStandIn, true), "initContainers: ")
	patch := fmt.Sprintf(`[{"op": "add", "path": "/spec/initContainers", "value": %s}]`, containers)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"response": map[string]any{"uid": review.Request.UID, "allowed": true, "patchType": "JSONPatch", "patch": []byte(patch)},
	})
}

// certificate makes a server's certificate, and returns it also as the authority
// that signed it.
func certificate(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "injector"}, IPAddresses: []net.IP{net.ParseIP(hostIP)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
