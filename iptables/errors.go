package iptables

import (
	"errors"

	"shunt/apply"
)

// MaxRules is the most rules that one chain of ours may have. A list of ports
// takes a rule for each 15 ports or 7 ranges, one of subnets or ids a rule for
// each.
const MaxRules = 5000

// What an error of this package can be, besides apply's sentinels and
// fs.ErrPermission, which stands for the capabilities that are missing:
// CAP_NET_ADMIN and, for the legacy variant, CAP_NET_RAW.
var (
	// ErrMissingCommand: a command is not installed. Such an error is
	// apply.ErrNotSupported as well.
	ErrMissingCommand = errors.New("command not found")

	// ErrMixedVariants: the plain commands of IPv4 and IPv6 are of different
	// variants, so that they have no ID.
	ErrMixedVariants = errors.New("both must be of the same variant")

	// ErrXtablesLocked: another process held the xtables lock for as long as
	// Options.WaitSeconds allows.
	ErrXtablesLocked = errors.New("another process held the xtables lock")

	// ErrLockFile: the file of the xtables lock cannot be opened.
	ErrLockFile = errors.New("the file of the xtables lock cannot be opened")

	// ErrSocketBuffer: the rules do not fit the socket buffer that the kernel
	// allows in a user namespace (net.core.wmem_max).
	ErrSocketBuffer = errors.New("the rules do not fit the socket buffer that is allowed in a user namespace, net.core.wmem_max")

	// ErrTooManyRules: the plan takes more rules in one chain than MaxRules.
	ErrTooManyRules = errors.New("too many for one chain, whose rules every new connection passes one by one")

	// ErrTooLarge: what is live is larger than is read, and can neither be
	// changed nor removed.
	ErrTooLarge = errors.New("too many rules to read")

	// ErrUserNamespace: the network namespace belongs to another user namespace
	// than this process is in, as with a pod's hostUsers: false. The kernel then
	// refuses rules that look at the socket's owner (owner_check in
	// net/netfilter/xt_owner.c), whereas nf_tables' own can be had.
	ErrUserNamespace = errors.New("the network namespace belongs to another user namespace, where the kernel refuses iptables rules about a socket's owner")

	errNoReason = errors.New("the table cannot be used, and the command does not say why") // as of legacy restores
)

// missing is the error of a command that was not found.
type missing struct{ error }

func (m missing) Is(target error) bool {
	return target == ErrMissingCommand || target == apply.ErrNotSupported
}

func (m missing) Unwrap() error { return m.error }

// unreadable is the error of a legacy table that is there and cannot be read.
// It is never apply.ErrNotSupported, which would mean that nothing can be there.
type unreadable struct{ cause error }

func (u unreadable) Error() string {
	return "the namespace has a nat table of legacy iptables, whose rules act beside any others, but it cannot be read: " + u.cause.Error()
}

func (u unreadable) Is(target error) bool {
	return target != apply.ErrNotSupported && errors.Is(u.cause, target)
}
