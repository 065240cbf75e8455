package redirect

import (
	"errors"
	"fmt"

	"shunt/netns"
)

// ErrHost is wrapped by the error of an Apply or Clear in the host's own
// namespace. Nothing was touched.
var ErrHost = errors.New("it is the host's own, not a pod's: rules in it act on the traffic of the whole machine")

// refuseHost fails if a namespace is known to be the host's. Process 1 is the
// host's only for a caller who sees the host's processes; in a container it is
// the container's own.
func refuseHost(ns *netns.NS) error {
	host := ns.IsInitial()
	if !host && netns.OnHost() {
		host, _ = ns.IsHost() // what cannot be looked at is a pod's: its init container cannot, either
	}
	if host {
		return fmt.Errorf("%s: %w", ns, ErrHost)
	}
	return nil
}
