package main

import (
	"errors"

	"shunt/apply"
	"shunt/iptables"
)

// message returns an error with what this command line offers against it: the
// packages that make errors know no flags.
func message(err error) string {
	for _, h := range []struct {
		meant bool
		hint  string
	}{
		{errors.Is(err, apply.ErrHalfCovered), "give the node's kernel IPv6 NAT, or let IPv6 pass the proxy with --ipv6=false"},
		{errors.Is(err, iptables.ErrMissingCommand), "install the iptables package, or use --backend nftables, which needs no commands"},
		{errors.Is(err, iptables.ErrIncompatible), "remove those rules, or use --backend nftables"},
		{errors.Is(err, iptables.ErrXtablesLocked), "find the process (fuser /run/xtables.lock), or wait longer with --lock-timeout"},
		{errors.Is(err, iptables.ErrLockFile), "mount a writable directory at /run"},
		{errors.Is(err, iptables.ErrMixedVariants), "choose one with --iptables-mode legacy or nft, or use --backend nftables"},
		{errors.Is(err, iptables.ErrTooManyRules), "use fewer entries, or --backend nftables, which takes lists as sets"},
		{errors.Is(err, iptables.ErrUserNamespace), "use --backend nftables"},
		{errors.Is(err, iptables.ErrSocketBuffer), "raise net.core.wmem_max on the host, use fewer ports and subnets, or --iptables-mode legacy"},
	} {
		if h.meant {
			return err.Error() + ": " + h.hint
		}
	}
	return err.Error()
}
