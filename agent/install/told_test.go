package install

import (
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever says what the API server says once waited for a disk that a Sync waits
// for: the agent heard of no pod meanwhile.
func TestWhoSaysSomethingDoesNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.put("10-x.conflist", `{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"ptp"}]}`)
	if err := os.Remove(n.plugin); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(n.plugin, 0o600); err != nil { // a disk that does not answer yet
		t.Fatal(err)
	}
	a := n.agent(Auto)
	pass := make(chan error)
	go func() { _, err := a.Sync(); pass <- err }()
	disk := n.opens()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	go func() {
		defer cancel()
		a.SetFacts(FactsServed)
		a.SetRuntime("containerd://2.1.4")
		a.IgnoresDropins()
	}()
	<-ctx.Done()
	late := ctx.Err() == context.DeadlineExceeded
	if err := unix.Unlink(n.plugin); err != nil { // the next look finds no plugin
		t.Fatal(err)
	}
	_ = unix.Close(disk)
	if err := <-pass; err == nil {
		t.Error("it installed what is no plugin")
	}
	if late {
		t.Error("who said something had to wait")
	}
}

// opens waits until the plugin is read, and opens it for writing.
func (n *node) opens() (fd int) {
	for {
		fd, err := unix.Open(n.plugin, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd
		}
		if err != unix.ENXIO { // nobody reads it
			n.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}
