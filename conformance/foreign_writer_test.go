// google/nftables does not compile where an int has 32 bits (conn.go,
// allocateTransactionID).

//go:build amd64 || arm64

package conformance

import (
	"testing"
	"time"

	gnft "github.com/google/nftables"
)

// TestForeignWriter has somebody else change rules of their own all the time,
// so that every read and every batch can find itself outdated.
func TestForeignWriter(t *testing.T) {
	t.Parallel()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			var conn *gnft.Conn
			err := s.ns.Do(func() (err error) {
				conn, err = gnft.New(gnft.AsLasting())
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseLasting()
			stop, stopped := make(chan struct{}), make(chan error)
			go func() { stopped <- writeOften(conn, stop) }()
			for n := range pick(3, 20) {
				flags := []string{"--skip-ports", "9000-" + itoa(9001+n), "--skip-subnets", "10.9.0.0/16"}
				s.run("init", false, flags...)
				s.run("diff", false, flags...)
			}
			s.run("clear", false)
			close(stop)
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
			live(t, s.ns).equals(t, snapshot{})
		})
	}
}

func writeOften(conn *gnft.Conn, stop chan struct{}) error {
	table := &gnft.Table{Name: "foreign", Family: gnft.TableFamilyINet}
	for {
		conn.AddTable(table)
		conn.AddChain(&gnft.Chain{Name: "c", Table: table})
		if err := conn.Flush(); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
		conn.DelTable(table)
		if err := conn.Flush(); err != nil {
			return err
		}
		// Hundreds of commits a second, and pauses in which a read fits even
		// on a busy machine.
		time.Sleep(2 * time.Millisecond)
	}
}
