package apply

import "shunt/plan"

// BaseChain is a chain of somebody else's that a pod's connections pass.
type BaseChain struct {
	Place
	Kind     string // "filter", "nat" or "route"
	At       string // "prerouting", "input", "output" or "postrouting"
	Priority int
	Drops    bool // its policy is to drop

	// Rules are those that may decide about a connection, in order, with those of
	// the chains that they jump to: Other, a redirect or NotUnderstood says what
	// they do. Rules that only let a connection go on are left out.
	Rules []Rule

	// Unread says why there may be others, if so.
	Unread string
}

// PriorityNAT is the priority of our base chains, and of nat's hooks in the kernel
// (NF_IP_PRI_NAT_DST in linux/netfilter_ipv4.h), whatever that of a nat chain is:
// it only orders the nat chains among themselves.
const PriorityNAT = -100

// Order says when a chain is passed.
type Order uint8

// The orders, relative to our rules on the same way.
const (
	Before Order = iota
	Beside       // at the same priority: which comes first cannot be seen
	After
)

// String returns the order in words.
func (o Order) String() string {
	return [...]string{"before shunt's rules", "at the same priority as shunt's rules", "after shunt's rules"}[o]
}

// Order says whether the chain is passed before our rules. Prerouting comes before
// input, and output before postrouting.
func (c BaseChain) Order() Order {
	switch {
	case c.At == "input" || c.At == "postrouting" || c.Priority > PriorityNAT:
		return After
	case c.Priority < PriorityNAT:
		return Before
	}
	return Beside
}

// Passes reports whether connections of a direction and a family pass the chain.
func (c BaseChain) Passes(d plan.Direction, fam plan.Family) bool {
	in := c.At == "prerouting" || c.At == "input"
	return in == (d == plan.Inbound) && (c.Family == plan.Any || c.Family == fam)
}

// MayDecide reports whether the chain can end a connection, or send it elsewhere.
func (c BaseChain) MayDecide() bool { return c.Drops || len(c.Rules) > 0 || c.Unread != "" }

// Found is what there is to see in one namespace.
type Found struct {
	Held   []Held      // what each owner holds of ours
	Others []BaseChain // of other tables, on the hooks that connections pass
	Unread []string    // what could not be looked at, and why

	// IPv6 says that the namespace has an IPv6 address other than link-local and
	// loopback.
	IPv6 bool
}
