package redirect

import (
	"errors"

	"shunt/iptables"
	"shunt/nftables"
)

// IsMissingCommand reports whether an error came because a command of iptables
// is not installed.
func IsMissingCommand(err error) bool { return errors.Is(err, iptables.ErrMissingCommand) }

// IsIPTablesOnly reports whether an error came of what only iptables cannot do:
// with the nftables backend the same rules can be had.
func IsIPTablesOnly(err error) bool {
	for _, only := range []error{
		iptables.ErrUserNamespace, iptables.ErrMixedVariants, iptables.ErrIncompatible,
		iptables.ErrSocketBuffer, iptables.ErrTooManyRules,
	} {
		if errors.Is(err, only) {
			return true
		}
	}
	return false
}

// IsOwned reports whether an error came because another program owns a table of
// shunt's name.
func IsOwned(err error) bool { return errors.Is(err, nftables.ErrOwned) }
