package main

import (
	"errors"

	"shunt/apply"
	"shunt/iptables"
	"shunt/netns"
	"shunt/nftables"
	"shunt/redirect"
)

// message returns an error with what this command line offers against it: the
// packages that make errors know no flags.
func message(err error) string {
	_, unverified := errors.AsType[*apply.Unverified](err)
	for _, h := range []struct {
		meant bool
		hint  string
	}{
		{errors.Is(err, redirect.ErrHost), "name a pod's namespace with --netns or --pid, or give --host-network if that is what you want"},
		{errors.Is(err, netns.ErrLocked), "try again when it has ended, or wait longer with --lock-timeout"},
		{errors.Is(err, netns.ErrEnterDenied), "inside the pod leave --netns and --pid out: shunt is in the pod's namespace already"},
		{errors.Is(err, apply.ErrHalfCovered), "give the node's kernel IPv6 NAT, or let IPv6 bypass the proxy with --ipv6=false"},
		{unverified, "shunt diff shows them"},
		{errors.Is(err, iptables.ErrMissingCommand), "install the iptables package, or use --backend nftables, which needs no commands"},
		{errors.Is(err, iptables.ErrIncompatible), "remove those rules, or use --backend nftables"},
		{errors.Is(err, iptables.ErrXtablesLocked), "find the process (fuser /run/xtables.lock), or wait longer with --lock-timeout"},
		{errors.Is(err, iptables.ErrLockFile), "mount a writable directory at /run"},
		{errors.Is(err, iptables.ErrMixedVariants), "choose one with --iptables-mode legacy or nft, or use --backend nftables"},
		{errors.Is(err, iptables.ErrTooManyRules), "use fewer entries, or --backend nftables, which takes lists as sets"},
		{errors.Is(err, nftables.ErrTooManyRanges), "use fewer or wider ranges"},
		{errors.Is(err, nftables.ErrOwned), "end that program"},
		{errors.Is(err, iptables.ErrUserNamespace), "use --backend nftables"},
		{errors.Is(err, iptables.ErrSocketBuffer), "raise net.core.wmem_max on the host, use fewer ports and subnets, or --iptables-mode legacy"},
	} {
		if h.meant {
			return err.Error() + ": " + h.hint
		}
	}
	return err.Error()
}
