// google/nftables does not compile where an int has 32 bits (conn.go,
// allocateTransactionID).

//go:build amd64 || arm64

package redirect

import (
	"context"
	"errors"
	"testing"
	"time"

	gnft "github.com/google/nftables"

	"shunt/config"
	"shunt/netns/netnstest"
)

// Somebody who commits all the time outdates every read and every batch. The
// number of tries that this takes has no bound; the time has.
func TestAReapplyBesideAWriterThatNeverPausesEnds(t *testing.T) {
	t.Parallel()
	ns := netnstest.New(t)
	r, _ := rules(t, ns, backend(config.BackendNftables, config.ModeAuto))
	if _, err := r.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	const writers = 3
	stopped := make(chan error, writers)
	for i := range writers {
		var conn *gnft.Conn
		err := ns.Do(func() (err error) {
			conn, err = gnft.New(gnft.AsLasting())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseLasting()
		go func() { stopped <- write(conn, "foreign"+string(rune('a'+i)), stop) }()
	}
	changed, _ := rules(t, ns, backend(config.BackendNftables, config.ModeAuto), func(c *config.Config) {
		var ports config.PortSet // so many that a read takes longer than a commit of the others'
		for port := uint16(1); port < 60000; port += 2 {
			ports = append(ports, config.PortRange{First: port, Last: port})
		}
		c.SkipInboundPorts = ports
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	start := time.Now()
	res, err := changed.Apply(ctx)
	t.Logf("apply ended after %v: %+v, %v", time.Since(start).Round(time.Millisecond), res, err)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("apply: %v", err)
	}
	close(stop)
	for range writers {
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
	}
	if _, err := changed.Apply(t.Context()); err != nil {
		t.Fatalf("when they have stopped: %v", err)
	}
	if c, err := changed.Compare(t.Context()); err != nil || !c.Equal() {
		t.Errorf("%s, %v", c.Text(), err)
	}
}

// write adds and deletes a table until it is told to stop.
func write(conn *gnft.Conn, name string, stop chan struct{}) error {
	table := &gnft.Table{Name: name, Family: gnft.TableFamilyINet}
	for {
		conn.AddTable(table)
		if err := conn.Flush(); err != nil {
			return err
		}
		conn.DelTable(table)
		if err := conn.Flush(); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}
