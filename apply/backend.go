// Package apply brings a namespace's live rules to a plan: it reads, replaces
// what differs, reads back, compares, and removes what other backends left.
// It knows backends only by the interfaces in this file.
package apply

import (
	"context"

	"shunt/plan"
)

// Owner finds and removes rules of ours, or of Linkerd's proxy-init, in one
// of the places where they can be.
type Owner interface {
	// Name is "nftables", "iptables-nft" or "iptables-legacy".
	Name() string

	// Read returns what the kernel holds of what shunt owns.
	Read(ctx context.Context) (plan.State, error)

	// Clear removes what the last Read returned and returns the number of
	// commits that it took.
	Clear(ctx context.Context) (commits int, err error)
}

// Backend is one way to hold rules in the kernel, bound to one namespace. It
// is used from one goroutine.
type Backend interface {
	Owner

	// Render returns the plan as text that the backend's own tool loads.
	Render(p plan.Plan) string

	// Expand returns the plan in this backend's shape: what Read returns
	// when the live rules are right.
	Expand(p plan.Plan) plan.State

	// Line returns one rule as canonical text, without counters.
	Line(r plan.Rule) string

	// Apply replaces what the last Read returned by the plan and returns
	// the number of commits that it took. An error that wraps plan.ErrStale
	// means that somebody else changed the rules since the Read: the caller
	// reads again. One that wraps plan.ErrNotSupported means that the
	// kernel or a command lacks what the backend needs, and that nothing
	// was left behind.
	Apply(ctx context.Context, p plan.Plan) (commits int, err error)
}
