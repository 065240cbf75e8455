// Package apply brings a namespace's live rules to a plan: it reads, replaces
// what differs, reads back, compares, and removes what other backends left.
// It knows backends only by the interfaces in this file.
package apply

import (
	"context"
	"errors"
	"strings"

	"shunt/plan"
)

// ErrStale is wrapped by a backend's Apply or Clear when the rules are no
// longer those of the snapshot. Nothing was written by the commit that it
// refused; the caller reads again.
var ErrStale = errors.New("the rules changed since they were read")

// ErrNotSupported is wrapped by a backend whose commands or kernel features
// are not there. Nothing was left behind.
var ErrNotSupported = errors.New("not supported here")

// ErrNoSnapshot is wrapped by Apply and Clear when they are handed a snapshot
// that the same backend did not read. Nothing was written.
var ErrNoSnapshot = errors.New("not a snapshot of this backend")

// ID names the place where an owner's rules are. It is fixed when the owner is
// made.
type ID string

// The owners.
const (
	NFTables       ID = "nftables"
	IPTablesNFT    ID = "iptables-nft"
	IPTablesLegacy ID = "iptables-legacy"
)

// Names lists owners for people.
func Names(ids []ID) string {
	var names []string
	for _, id := range ids {
		names = append(names, string(id))
	}
	return strings.Join(names, ", ")
}

// Snapshot is what one Read or Find saw, at one moment. It is a value: a later
// one does not change it, and what is computed from it is committed only if the
// kernel's rules are still those of the snapshot.
type Snapshot interface {
	// State returns what was there of ours.
	State() State
}

// Owner finds and removes rules of ours, or of Linkerd's proxy-init, in one
// of the places where they can be.
type Owner interface {
	ID() ID

	// Read returns what the kernel holds of what shunt owns.
	Read(ctx context.Context) (Snapshot, error)

	// Find reads only as much as Clear needs: where something of ours is, not what
	// it is. Its state is empty if and only if Read's is.
	Find(ctx context.Context) (Snapshot, error)

	// Clear removes what the snapshot has and returns the number of commits
	// that it took.
	Clear(ctx context.Context, s Snapshot) (commits int, err error)
}

// Backend is one way to hold rules in the kernel, bound to one namespace. It
// is used from one goroutine.
type Backend interface {
	Owner

	// Expand returns the plan in this backend's shape: the state that Read
	// finds when the live rules are right.
	Expand(p plan.Plan) State

	// Line returns one rule as canonical text, without its counter.
	Line(r Rule) string

	// Apply replaces what the snapshot, one that Read returned, has with what is
	// wanted, and returns the number of commits that it took. Its error wraps
	// ErrStale, ErrNotSupported or ErrNoSnapshot where these hold.
	Apply(ctx context.Context, s Snapshot, want Desired) (commits int, err error)
}

// Desired is what a backend is to make live: the rules of a plan, and what they
// say of their origin. With an exception, the stamp names a plan other than the
// one that the rules are of.
type Desired struct {
	Plan  plan.Plan
	Stamp Stamp
}
