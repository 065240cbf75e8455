package e2e

import (
	"encoding/json"
	"errors"
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

// primary returns the primary plugin's file and what is in it. The node's folder is
// as before at the end of the test, whatever the test did to it.
func (m machine) primary() (file string, original []byte) {
	m.Helper()
	dir := os.Getenv(envNetDir)
	files, err := filepath.Glob(filepath.Join(dir, "*.conflist"))
	if err != nil || len(files) != 1 {
		m.Fatalf("the node's folder has the conflists %v, %v: want one", files, err)
	}
	if original, err = os.ReadFile(files[0]); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		m.rewrite(files[0], original)
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			if path := filepath.Join(dir, e.Name()); path != files[0] {
				err = errors.Join(err, os.RemoveAll(path))
			}
		}
		if err != nil {
			m.Error(err)
		}
	})
	return files[0], original
}

// remove deletes a file of the node.
func (m machine) remove(path string) {
	m.Helper()
	if err := os.Remove(path); err != nil {
		m.Fatal(err)
	}
}

// rewrite writes a file of the node anew, as its owner does, with a rename.
func (m machine) rewrite(path string, content []byte) {
	m.Helper()
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		m.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		m.Fatal(err)
	}
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

// story is as a cluster's, on the node.
func (m machine) story(name string, f func(m machine)) {
	m.Helper()
	m.cluster.story(name, func(c cluster) { f(machine{c, m.folder}) })
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

// crictl asks the container runtime as the kubelet does.
func (m machine) crictl(args ...string) string {
	m.Helper()
	return m.run("crictl", append([]string{"--runtime-endpoint", "unix://" + filepath.Join(m.folder, "run", "containerd.sock")}, args...)...)
}

// ctr has containerd do what no kubelet asks for.
func (m machine) ctr(args ...string) string {
	m.Helper()
	return m.run("ctr", append([]string{"-a", filepath.Join(m.folder, "run", "containerd.sock"), "-n", "k8s.io"}, args...)...)
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
