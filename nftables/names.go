package nftables

import (
	"strconv"

	"golang.org/x/sys/unix"

	"shunt/apply"
)

// familyName returns a table's family as nft writes it.
func familyName(f byte) string {
	switch f {
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_IPV6:
		return "ip6"
	}
	return "family " + strconv.Itoa(int(f))
}

// hookName returns an inet, ip or ip6 hook as nft writes it
// (linux/netfilter.h, enum nf_inet_hooks).
func hookName(h uint32) string {
	names := [...]string{
		unix.NF_INET_PRE_ROUTING:  "prerouting",
		unix.NF_INET_LOCAL_IN:     "input",
		unix.NF_INET_FORWARD:      "forward",
		unix.NF_INET_LOCAL_OUT:    "output",
		unix.NF_INET_POST_ROUTING: "postrouting",
	}
	if h < uint32(len(names)) {
		return names[h]
	}
	return strconv.Itoa(int(h))
}

// priorityDstNAT is where destination addresses are translated, at prerouting and
// at output.
const priorityDstNAT = apply.PriorityNAT

// Verdicts of a base chain's policy (linux/netfilter.h).
const (
	nfDrop   = 0
	nfAccept = 1
)

// natType is the type of our base chains.
const natType = "nat"

// String describes a base chain as nft writes it.
func (b baseChain) String() string {
	verdict := "accept"
	if b.policy == nfDrop {
		verdict = "drop"
	}
	return "type " + b.kind + " hook " + hookName(b.hook) + " priority " + strconv.Itoa(int(b.priority)) + "; policy " + verdict + ";"
}

// wantSpec is the specification of one of our base chains.
func wantSpec(chain string) string {
	return baseChain{natType, wantHook(chain), priorityDstNAT, nfAccept}.String()
}

func wantHook(chain string) uint32 {
	if chain == outboundChain {
		return unix.NF_INET_LOCAL_OUT
	}
	return unix.NF_INET_PRE_ROUTING
}

// applyHook returns a hook as apply knows it.
func applyHook(h uint32) apply.Hook {
	switch h {
	case unix.NF_INET_PRE_ROUTING:
		return apply.Prerouting
	case unix.NF_INET_LOCAL_OUT:
		return apply.Output
	}
	return apply.OtherHook
}
