package cni

import (
	"errors"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/apply"
	"shunt/config"
	"shunt/netns"
	"shunt/redirect"
)

// code returns the code of an error of the rules.
func code(err error) uint {
	switch {
	case redirect.IsBusy(err):
		return types.ErrTryAgainLater
	case config.IsInput(err): // more than the backend takes
		return types.ErrInvalidNetworkConfig
	}
	return types.ErrInternal
}

// hint says what an operator can do about an error of the rules, in terms of the
// network configuration, or shows what there is to see.
func hint(err error) string {
	switch unverified, is := errors.AsType[*apply.Unverified](err); {
	case is:
		return shorten(unverified.Diff)
	case redirect.IsBusy(err):
		return `find out what holds the lock, or raise "lock-timeout" in shunt's entry of the conflist; the runtime will try again`
	case errors.Is(err, netns.ErrEnterDenied):
		return "the container runtime has to run its plugins as root, outside any user namespace"
	case redirect.IsMissingCommand(err):
		return "install iptables on the node; for new rules, " + hintNative
	case redirect.IsIPTablesOnly(err):
		return hintNative
	case redirect.IsOwned(err):
		return "end the program that owns the table; the runtime will try again"
	case config.IsInput(err):
		return "use fewer or wider ranges in the pod's annotations or in shunt's entry of the conflist"
	case errors.Is(err, apply.ErrHalfCovered):
		return `give the node's kernel IPv6 NAT, or let IPv6 bypass the proxy with "ipv6": false in the linkerd block of shunt's entry`
	}
	return ""
}

// hintNative is for what ails iptables alone.
const hintNative = `use shunt's own nftables backend: "iptables-mode": "nft", and no "backend", in shunt's entry of the conflist`

// shorten bounds a diff: thousands of ports are of no use in an event.
func shorten(diff string) string {
	const most = 4 << 10
	if len(diff) <= most {
		return diff
	}
	cut := strings.LastIndexByte(diff[:most], '\n') + 1
	return diff[:cut] + "... (shunt diff shows the rest)"
}
