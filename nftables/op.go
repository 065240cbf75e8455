package nftables

import (
	"fmt"
	"strconv"
)

// op is one operation of a transaction: it prints itself in nft's words, and
// encodes itself as netlink messages.
type op interface {
	fmt.Stringer
	encode(*encoder)
}

type (
	addTable struct{ table tableID }
	delTable struct{ table tableID }

	// addSet makes an empty interval set.
	addSet struct {
		table tableID
		name  string
		kind  keyKind
	}
	delSet struct {
		table tableID
		name  string
	}

	// addElements and delElements change the intervals of a set.
	addElements struct{ elements }
	delElements struct{ elements }

	// addChain makes one of the two base chains.
	addChain struct {
		table tableID
		name  string
	}
	flushChain struct {
		table tableID
		name  string
	}
	delChain struct {
		table tableID
		name  string
	}

	// addRule appends a rule to a chain.
	addRule struct {
		table   tableID
		chain   string
		rule    kernelRule
		comment string
	}
	delRule struct {
		table  tableID
		chain  string
		handle uint64
	}
)

// elements are intervals of one set.
type elements struct {
	table tableID
	set   string
	kind  keyKind
	list  []interval
}

// listed is how many intervals an operation's words show.
const listed = 24

func (e elements) String() string {
	b := fmt.Appendf(nil, "element %s %s { ", e.table, e.set)
	b = appendJoined(b, e.list[:min(len(e.list), listed)], func(b []byte, i interval) []byte { return appendInterval(b, i, e.kind) })
	if len(e.list) > listed {
		b = fmt.Appendf(b, ", … (%d in all)", len(e.list))
	}
	return string(append(b, " }"...))
}

func (o addTable) String() string { return "add table " + o.table.String() }
func (o delTable) String() string { return "delete table " + o.table.String() }

func (o addSet) String() string {
	return fmt.Sprintf("add set %s %s { type %s; flags interval; comment %q; }", o.table, o.name, o.kind, setComment(o.name))
}
func (o delSet) String() string { return "delete set " + o.table.String() + " " + o.name }

func (o addElements) String() string { return "add " + o.elements.String() }
func (o delElements) String() string { return "delete " + o.elements.String() }

func (o addChain) String() string {
	return "add chain " + o.table.String() + " " + o.name + " { " + wantSpec(o.name) + " }"
}
func (o flushChain) String() string { return "flush chain " + o.table.String() + " " + o.name }
func (o delChain) String() string   { return "delete chain " + o.table.String() + " " + o.name }

func (o addRule) String() string {
	b := append([]byte("add rule "), o.table.String()...)
	b = append(append(append(b, ' '), o.chain...), ' ')
	return string(appendRule(b, o.rule, o.table.family, o.comment))
}
func (o delRule) String() string {
	return "delete rule " + o.table.String() + " " + o.chain + " handle " + strconv.FormatUint(o.handle, 10)
}
