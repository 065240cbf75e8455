package nftables

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// explain wraps an error of the kernel with what was being done and, where the
// error number says it, what would help.
func explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w: CAP_NET_ADMIN is needed in the network namespace", doing, err)
	case errors.Is(err, unix.ERESTART):
		return fmt.Errorf("%s: %w", doing, apply.ErrStale)
	case errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("%s: %w: the rules do not fit the socket buffer, which outside the initial user namespace is limited to net.core.wmem_max: raise it on the node, or give ranges instead of single ports and users", doing, err)
	case errors.Is(err, unix.ENOBUFS):
		return fmt.Errorf("%s: %w: the socket's receive buffer overflowed; whether the commit took place is not known, run it again", doing, err)
	case unsupported(err):
		return fmt.Errorf("%s: %w: %w", doing, err, apply.ErrNotSupported)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// unsupported reports whether the kernel lacks what was asked for. A kernel
// without nf_tables answers EINVAL to its messages (nfnetlink_rcv_msg in
// net/netfilter/nfnetlink.c), one without netfilter's netlink
// EPROTONOSUPPORT; a chain type, a family or an expression that is not built
// in is ENOENT, EOPNOTSUPP or EAFNOSUPPORT (net/netfilter/nf_tables_api.c).
func unsupported(err error) bool {
	for _, e := range []error{unix.EINVAL, unix.EPROTONOSUPPORT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
