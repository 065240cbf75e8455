package nftables

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// ErrOwned is wrapped by an error about a table that another program owns (flags
// owner): only that program can change or delete it, as long as it runs.
var ErrOwned = errors.New("another program owns it (flags owner)")

// ErrTooManyRanges is wrapped by Apply's error about a list with more ranges than
// shunt puts into a set. Nothing was touched.
var ErrTooManyRanges = errors.New("too many ranges")

const noCapability = "CAP_NET_ADMIN is needed in the network namespace"

// queryError wraps an error from a query to the kernel.
func queryError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w: %s", doing, err, noCapability)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// openError wraps an error from opening the socket or from the first query. A
// kernel without nf_tables answers EINVAL to any message about it
// (nfnetlink_rcv_msg in net/netfilter/nfnetlink.c), one without netfilter's
// netlink has no such protocol. Later on, the same error numbers mean something
// else.
func openError(err error) error {
	for _, e := range []error{unix.EINVAL, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return fmt.Errorf("open nftables: the kernel has no nf_tables: %w: %w", err, apply.ErrNotSupported)
		}
	}
	return fmt.Errorf("open nftables: %w", err)
}

// refusal is the kernel's answer to an operation that it refused.
type refusal struct {
	op    op // nil: the batch as a whole
	errno unix.Errno
	note  string // what the kernel says in addition
}

func (r *refusal) Error() string {
	text := r.errno.Error()
	if r.note != "" {
		text += " (" + r.note + ")"
	}
	switch r.meaning() {
	case apply.ErrStale:
		return apply.ErrStale.Error()
	case apply.ErrNotSupported:
		text += ": the kernel lacks a part of nf_tables (inet nat needs Linux 5.2)"
	case ErrOwned:
		text += ": the table cannot be changed: " + ErrOwned.Error()
	}
	if r.op == nil {
		if r.errno == unix.EPERM {
			text += ": " + noCapability
		}
		return text
	}
	return "the kernel refused «" + r.op.String() + "»: " + text
}

func (r *refusal) Unwrap() []error {
	if sentinel := r.meaning(); sentinel != nil {
		return []error{r.errno, sentinel}
	}
	return []error{r.errno}
}

// meaning returns the sentinel that the answer stands for, or nil.
//
// What the batch names was just read, at the generation that it carries, so what
// is missing (ENOENT) where a chain or a rule is made is a chain type or an
// expression; and a kernel without a family refuses its table
// (net/netfilter/nf_tables_api.c).
func (r *refusal) meaning() error {
	switch r.op.(type) {
	case nil:
		if r.errno == unix.ERESTART {
			return apply.ErrStale
		}
		return nil
	case addTable, addChain, addRule:
		switch r.errno {
		case unix.ENOENT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT:
			return apply.ErrNotSupported
		}
	}
	if r.errno == unix.EPERM {
		return ErrOwned
	}
	return nil
}
