package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// machine is the node where it is this machine (up.sh): it can be broken.
type machine struct {
	cluster
	folder string
}

// machine returns the node, or skips.
func (c cluster) machine() machine {
	c.Helper()
	if os.Getenv(envNetDir) == "" {
		c.Skip("the node is another machine")
	}
	return machine{c, os.Getenv(envFolder)}
}

// run runs a command on the node, outside of its network namespace.
func (m machine) run(name string, args ...string) string {
	m.Helper()
	out, err := m.try("", name, args...)
	if err != nil {
		m.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// stop ends a process, such as kube-apiserver; up starts it again.
func (m machine) stop(part string) {
	m.Helper()
	m.run("e2e/down.sh", part)
}

func (m machine) up() {
	m.Helper()
	m.run("e2e/up.sh")
}

// crictl asks the container runtime.
func (m machine) crictl(args ...string) string {
	m.Helper()
	return m.run("crictl", append([]string{"--runtime-endpoint", "unix://" + filepath.Join(m.folder, "run", "containerd.sock")}, args...)...)
}

// sandbox returns a pod's sandbox and its address, which a restart changes.
func (m machine) sandbox(pod string) (id, address string) {
	m.Helper()
	id, _, _ = strings.Cut(m.crictl("pods", "--namespace", podsNamespace, "--name", "^"+pod+"$", "--state", "ready", "--latest", "--quiet"), "\n")
	if id == "" {
		return "", ""
	}
	var inspected struct {
		Status struct{ Network struct{ IP string } }
	}
	if err := json.Unmarshal([]byte(m.crictl("inspectp", id)), &inspected); err != nil {
		m.Fatal(err)
	}
	return id, inspected.Status.Network.IP
}

// get is what answers a connection from outside of the node.
func (m machine) get(address, port string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get("http://" + address + ":" + port + "/")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return strings.TrimSpace(string(body)), err
}
